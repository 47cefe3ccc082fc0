"""The progress of a report: one line, from the log of the graph and what its stages print."""

import io
import re

import pytest

from planet_lib.report.progress import QUIET_SECONDS, ReportProgress

STATS = """\
Job stats:
job                  count
-----------------  -------
evaluate_runs            1
render_page              2
train_ensemble           1
train_network            2
total                    6

"""
PAGE = "reports/x/index.html"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Report:
    """A report whose graph says what a test wants, at the times that it wants."""

    def __init__(self, stream: io.StringIO, *, stats: str = STATS) -> None:
        self.now = 0.0
        self.stream = stream
        self.progress = ReportProgress(PAGE, at_once=2, stream=stream, clock=lambda: self.now)
        self.log(stats)

    def log(self, text: str) -> None:
        for line in text.splitlines():
            self.progress.read_graph(line)

    def start(self, job: int, rule: str, stage: str) -> None:
        self.log(
            f"rule {rule}:\n    input: a\n    jobid: {job}\n    benchmark: seconds/{stage}.tsv\n"
        )

    def finish(self, job: int) -> None:
        self.log(f"Finished jobid: {job} (Rule: any)\n1 of 6 steps (17%) done")

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now += 1
            self.progress.show()

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def report() -> Report:
    return Report(io.StringIO())


def read_minutes(line: str) -> int:
    return int(re.search(r"about (\d+) min left", line)[1])


def read_percent(line: str) -> int:
    return int(re.match(r"(\d+) %", line)[1])


def test_line_names_what_is_running_how_far_it_is_and_the_page(report):
    report.start(1, "train_network", "03_train-cnn-raw")
    report.start(2, "train_ensemble", "03_ensemble")
    report.progress.read_stage("03_train-cnn-raw | epoch 5/20: loss 4.670, 3.4 s")
    report.now = 60
    line = report.progress.describe()
    assert line.endswith(f"left for {PAGE}: 03_train-cnn-raw (epoch 5/20), 03_ensemble")
    assert "\n" not in line


def test_log_file_never_waits_longer_than_half_a_minute_for_a_line(report):
    report.start(1, "train_network", "03_train-cnn-raw")
    report.wait(10 * QUIET_SECONDS)
    assert len(report.lines) == 10
    assert all(PAGE in line for line in report.lines)


def test_terminal_has_one_line_that_is_updated():
    report = Report(Terminal())
    report.start(1, "train_network", "03_train-cnn-raw")
    report.wait(50)
    report.finish(1)
    assert report.lines[-1].endswith("\x1b[K[1/6] 03_train-cnn-raw, 50 s")
    assert report.stream.getvalue().count("\n") == 1
    assert report.stream.getvalue().count("\x1b[K") > 2


def test_terminal_line_is_never_broken(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    report = Report(Terminal())
    report.start(1, "train_network", "03_train-densenet-dehazed")
    report.wait(1)
    assert len(report.lines[-1].removeprefix("\x1b[K")) == 39
    assert report.lines[-1].endswith("…")


def test_time_left_follows_what_the_stages_say(report):
    report.start(1, "train_network", "03_train-cnn-raw")
    report.start(2, "train_network", "03_train-cnn-dehazed")
    report.now = 600
    for stage in ("cnn-raw", "cnn-dehazed"):
        report.progress.read_stage(f"03_train-{stage} | epoch 5/10")
    left = report.progress.estimate_left()
    assert left >= 600  # the other half of the epochs
    report.now = 1200
    for job in (1, 2):
        report.finish(job)
    assert report.progress.estimate_left() > 600  # the ensemble, at the pace of the networks


def test_stages_of_a_rule_take_as_long_as_the_one_that_is_finished(report):
    before = report.progress.estimate_left()
    report.start(1, "train_network", "03_train-cnn-raw")
    report.now = 1000
    report.finish(1)
    report.start(2, "train_network", "03_train-cnn-dehazed")
    assert report.progress.estimate_left() > before
    assert report.progress.estimate_left() >= 1000


def test_share_never_falls_and_never_says_all(report):
    shares = []
    for job, rule in enumerate(("train_network", "train_network", "train_ensemble")):
        report.start(job, rule, f"stage-{job}")
        for _ in range(10):
            report.now += 100
            shares.append(read_percent(report.progress.describe()))
        report.finish(job)
    report.log("localrule render_page:\n    jobid: 9\n    wildcards: page=04_evaluate")
    report.now += 1e6
    shares.append(read_percent(report.progress.describe()))
    assert shares == sorted(shares)
    assert shares[-1] == 99


def test_bar_of_a_data_stage_is_its_progress_and_not_printed(report):
    report.start(1, "synthesize_chips", "synthesize_chips")
    report.progress.read_stage("synthetic scenes:  40%|████      | 85/213 [00:10<00:15]")
    assert report.progress.describe().endswith("synthesize_chips (85/213)")
    assert report.lines == []


@pytest.mark.parametrize(
    "line",
    [
        "error: 03_train-cnn-raw: the disk is full",
        "error: runs/1/2/x: damaged",
        "03_train-cnn-raw | resuming after epoch 3",
        "half-run copy as a page: runs/2/3",
    ],
)
def test_other_lines_of_stages_are_shown(report, line):
    report.start(1, "train_network", "03_train-cnn-raw")
    report.progress.read_stage(line)
    assert report.lines == [line]


def test_stage_without_a_benchmark_is_named_by_its_page(report):
    report.log("rule render_page:\n    jobid: 4\n    wildcards: page=04_evaluate\n\n")
    report.finish(4)
    assert report.lines == ["[1/6] render_page 04_evaluate, 0 s"]


def test_failed_stage_is_no_longer_running(report):
    report.start(1, "train_network", "03_train-cnn-raw")
    report.start(2, "train_ensemble", "03_ensemble")
    report.log("Error in rule train_network:\n    message: none\n    jobid: 1\n    output: b\n")
    assert report.progress.describe().endswith("left for reports/x/index.html: 03_ensemble")


def test_minutes_are_at_least_one():
    report = Report(io.StringIO(), stats="Job stats:\njob    count\nrender_page    1\n\n")
    report.start(1, "render_page", "page")
    report.now = 100
    assert read_minutes(report.progress.describe()) == 1


def test_log_of_a_job_that_failed_on_a_cluster_is_named(report):
    report.start(1, "train_network", "03_train-cnn-raw")
    report.log(
        "Error in rule train_network:\n    message: SLURM-job '7' failed\n    jobid: 1\n"
        "    log: logs/7.log (check log file(s) for error details)\n    shell:\n"
    )
    assert report.lines == ["03_train-cnn-raw: failed, see logs/7.log"]
    assert not report.progress.running
