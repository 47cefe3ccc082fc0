"""Progress of a report: what is running, how much is left, and where the page will be."""

import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

TYPICAL_SECONDS = {
    "synthesize_chips": 30,
    "store_chips": 10,
    "describe_chips": 10,
    "remove_haze": 15,
    "explore_chips": 15,
    "explain_haze_removal": 40,
    "train_network": 60,
    "train_ensemble": 180,
    "evaluate_runs": 30,
    "find_mines": 10,
    "search_scene": 20,
    "merge_scenes": 10,
    "explain_scenes": 15,
}
"""Seconds of a stage of the default report on two cores, by rule; only their ratios matter."""
SHORT_SECONDS = 3  # of any other rule
QUIET_SECONDS = 30  # between two lines in a log file
FIRST_SHARE = 0.05  # of a stage, before which it says little about its end
CLEAR_LINE = "\r\x1b[K"


@dataclass
class _Stage:
    rule: str
    started: float
    name: str
    share: float = 0.0  # 0-1, as the stage itself says
    note: str = ""


class ReportProgress:
    """Follow the log of a graph and the lines of its stages, and show one line about all of it.

    On a terminal the line is updated in place; elsewhere it is repeated every 30 seconds.

    Parameters
    ----------
    page : str
        Where the report's front page will be.
    at_once : int
        Number of stages that run at once.
    stream : file
        Where the lines go.
    clock : callable, optional
        Returns seconds.
    """

    def __init__(
        self,
        page: str,
        *,
        at_once: int,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.page, self.at_once, self.stream, self.clock = page, at_once, stream, clock
        self.started = self.shown = clock()
        self.steps = 0
        self.percent = 0
        self.waiting: Counter[str] = Counter()
        self.running: dict[str, _Stage] = {}
        self.finished: list[tuple[str, float]] = []  # rule and seconds of each stage
        self._in_table = self._failed = False
        self._rule = self._job = self._stage = self._line = ""

    def read_graph(self, line: str) -> None:
        """Read one line of Snakemake's log."""
        if line.startswith("Job stats:"):
            self._in_table = True
        elif self._in_table:
            if row := re.fullmatch(r"(\w+) +(\d+)", line.strip()):
                self.waiting[row[1]] = int(row[2])
                self.steps = self.waiting.pop("total", 0)
            self._in_table = bool(line.strip())
        elif headed := re.match(r"((?:local)?rule|Error in rule) (\w+):", line):
            self._rule, self._failed = headed[2], headed[1].startswith("Error")
        elif self._rule and (field := re.match(r" +(jobid|benchmark|wildcards|log): (.+)", line)):
            self._describe_stage(field[1], field[2].strip())
        elif finished := re.match(r"Finished jobid: (\d+)", line):
            self._finish_stage(finished[1])
        elif not line.startswith(" "):
            self._rule = ""

    def read_stage(self, line: str) -> None:
        """Read one line of a stage: how far it is, or else something to print."""
        is_bar = "%|" in line
        label, _, text = line.rpartition(" | ")
        said = re.search(r"(?:^|[\s|])((?:[a-z]+ )?(\d+)/([1-9]\d*))(?![\w/.])", text)
        stages = [stage for stage in self.running.values() if is_bar or stage.name == label]
        stages.sort(key=lambda stage: not line.startswith(f"{stage.name}: "))  # its own bar first
        if said and stages:
            stages[0].share, stages[0].note = int(said[2]) / int(said[3]), said[1]
        elif line.strip():
            self.print(line)

    def print(self, line: str) -> None:
        """Print a line that stays."""
        self.clear()
        print(line, file=self.stream, flush=True)

    def show(self) -> None:
        """Show the line about everything, where it is time to."""
        if not self.running:
            return
        if self.stream.isatty():
            width = shutil.get_terminal_size().columns - 1
            line = self.describe()
            if line != self._line:
                shown = line if len(line) <= width else f"{line[: width - 1]}…"
                print(CLEAR_LINE + shown, end="", file=self.stream, flush=True)
                self._line = line
        elif self.clock() - self.shown >= QUIET_SECONDS:
            self.shown = self.clock()
            self.print(self.describe())

    def clear(self) -> None:
        """Remove the line from the terminal."""
        if self._line:
            print(CLEAR_LINE, end="", file=self.stream, flush=True)
            self._line = ""

    def describe(self) -> str:
        """Say how far the report is, where its page will be and what is running."""
        elapsed, left = self.clock() - self.started, self.estimate_left()
        now = int(100 * elapsed / (elapsed + left)) if elapsed + left else 0
        self.percent = max(self.percent, min(now, 99))
        stages = ", ".join(
            f"{stage.name} ({stage.note})" if stage.note else stage.name
            for stage in self.running.values()
        )
        return (
            f"{self.percent} %, about {max(1, round(left / 60))} min left for {self.page}: {stages}"
        )

    def estimate_left(self) -> float:
        """Estimate the seconds until the report is finished.

        A stage takes as long as others of its rule, or as far as it is says, or as is typical of
        its rule at the pace of the stages so far.
        """
        now = self.clock()
        known = self.finished + [
            (stage.rule, (now - stage.started) / stage.share)
            for stage in self.running.values()
            if stage.share >= FIRST_SHARE
        ]
        typical = sum(_typical_seconds(rule) for rule, _ in known)
        pace = sum(seconds for _, seconds in known) / typical if known else 1.0

        def expect(rule: str) -> float:
            own = [seconds for other, seconds in known if other == rule]
            return sum(own) / len(own) if own else pace * _typical_seconds(rule)

        running = [
            (now - stage.started) * (1 / stage.share - 1)
            if stage.share >= FIRST_SHARE
            else max(0.0, expect(stage.rule) - (now - stage.started))
            for stage in self.running.values()
        ]
        waiting = sum(count * expect(rule) for rule, count in self.waiting.items())
        return max([(sum(running) + waiting) / self.at_once, *running])

    def _describe_stage(self, field: str, value: str) -> None:
        if self._failed and field == "jobid":
            stage = self.running.pop(value, None)
            self._stage = stage.name if stage else self._rule
        elif self._failed and field == "log":  # what a cluster keeps, since the stage prints there
            self.print(f"{self._stage}: failed, see {value.partition(' (check log')[0]}")
        elif self._failed or field == "log":
            return
        elif field == "jobid":
            self._job = value
            self.waiting[self._rule] -= 1
            self.running[value] = _Stage(self._rule, self.clock(), self._rule)
        elif field == "benchmark":  # seconds/<stage>.tsv
            self.running[self._job].name = value.rpartition("/")[2].removesuffix(".tsv")
        elif self.running[self._job].name == self._rule:
            self.running[self._job].name += f" {value.partition('=')[2]}"

    def _finish_stage(self, job: str) -> None:
        if stage := self.running.pop(job, None):
            seconds = self.clock() - stage.started
            self.finished.append((stage.rule, seconds))
            self.print(f"[{len(self.finished)}/{self.steps}] {stage.name}, {seconds:.0f} s")


def _typical_seconds(rule: str) -> float:
    return TYPICAL_SECONDS.get(rule, SHORT_SECONDS)
