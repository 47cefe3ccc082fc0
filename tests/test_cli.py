"""The command line: each mistake is one line on stderr and never a traceback."""

from pathlib import Path

import pytest

import planet_lib.report.build
from planet_lib.cli import main


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch) -> Path:
    """Work in an empty folder, so that nothing can be made in the repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(planet_lib.report.build, "ROOT", tmp_path / "repository")
    monkeypatch.setattr(planet_lib.report.build, "run_graph", lambda *_, **__: None)
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "empty").mkdir()
    return tmp_path


MISTAKES = [
    ((), 2, "required: COMMAND"),
    (("reprot",), 2, "invalid choice: 'reprot' (choose from 'report'"),
    (("report", "--cores", "many"), 2, "invalid int value: 'many'"),
    (("report", "--cores"), 2, "expected one argument"),
    (("report", "extra"), 2, "unrecognized arguments: extra"),
    (("report", "--profile", "smok"), 1, "did you mean 'smoke'?"),
    (("report", "--profile", "../config/smoke"), 1, "allowed: default, mining, mining-smoke"),
    (("report", "--name", "../x"), 1, "'../x' is no folder name"),
    (("report", "--name", ""), 1, "'' is no folder name"),
    (("report", "--data", "missing"), 1, "missing: no such folder; point DATA at"),
    (("report", "--data", "file"), 1, "file: no archive; give a folder"),
    (("report", "--data", "empty"), 1, "empty: none of Kaggle's files, such as train_v2.csv"),
    (("synthesize", "file"), 1, "file is a file; choose a folder"),
    (("synthesize", "x", "--chips", "few"), 2, "invalid int value: 'few'"),
    (("report", ""), 2, "unrecognized"),
    (("report", "--profle", "smoke"), 2, "did you mean '--profile'?"),
    (("report", "--name", "a\nb"), 1, "is no folder name"),
    (("report", "--name", "a{b}"), 1, "is no folder name"),
    (("synthesize", "x", "--chips", "-5"), 1, "chips"),
    (("synthesize", "x", "--enrich", "2"), 1, "enrich"),
    (("synthesize", "x", "--seed", "-1"), 1, "seed"),
    (("label", "empty", "--threshold", ".5"), 2, "--threshold is of another command"),
    (("find-mines", "scene.tif"), 2, "required: --out"),
    (("find-mines", "scene.tif", "--out", "x", "--bands", "red"), 2, "'red' is no list such as"),
    (("find-mines", "scene.tif", "--out", "x"), 1, "scene.tif: no such file"),
    (("label", "empty", "none/labels.csv"), 1, "none: no such folder; make it first"),
    (("label", "empty", "file"), 1, "file: exists and is kept; choose another name, or add"),
    (("label", "empty", "a.parquet", "--format", "kaggle"), 1, "Kaggle's table is CSV"),
    (("fetch", "mining-watch"), 1, "planet fetch mining-watch FOLDER"),
    (("export", "none"), 1, "none: no such folder; give the folder of a network"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    MISTAKES,
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistake_is_one_line(arguments, code, words, capsys):
    try:
        found = main(arguments)
    except SystemExit as leaving:
        found = leaving.code
    err = capsys.readouterr().err
    assert found == code
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


def test_refused_report_leaves_nothing_behind(workplace):
    assert main(["report", "--name", "x", "--data", "missing"]) == 1
    assert not (workplace / "repository").exists()


def test_good_report_ends_with_its_page(capsys):
    assert main(["report", "--name", "x", "--profile", "smoke"]) == 0
    out, err = capsys.readouterr()
    assert out == "report: repository/reports/x/index.html\n"
    assert err == ""


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["--help"])
    assert leaving.value.code == 0
    out = capsys.readouterr().out
    commands = ("report", "fetch", "synthesize", "label", "find-mines", "review", "export")
    assert all(command in out for command in commands)


def test_interruption_says_how_to_go_on(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(planet_lib.report.build, "run_graph", interrupt)
    assert main(["report", "--name", "x"]) == 1
    assert capsys.readouterr().err == "stopped; the same command continues from here\n"


def test_full_disk_is_one_line(monkeypatch, capsys):
    def fill(*_, **__):
        raise OSError(28, "No space left on device", "chips.npy")

    monkeypatch.setattr(planet_lib.report.build, "run_graph", fill)
    assert main(["report", "--name", "x"]) == 1
    assert capsys.readouterr().err == "error: chips.npy: No space left on device\n"


@pytest.mark.parametrize("form", ["probabilities", "kaggle"])
def test_only_kaggles_table_without_some_of_the_chips_is_no_success(
    workplace, monkeypatch, capsys, form
):
    module = pytest.importorskip("planet_lib.evaluation.label_folder")
    done = module.LabelledFolder(
        labelled=3, resampled=0, resized=0, left_out=["a.jpg: a grey image"]
    )
    monkeypatch.setattr(module, "label_folder", lambda *_, **__: done)
    assert main(["label", "empty", "labels.csv", "--format", form]) == int(form == "kaggle")
    out, err = capsys.readouterr()
    assert out == "3 pictures labelled, 1 left out: labels.csv\n"
    named, *refused = err.splitlines()
    assert named == "left out: a.jpg: a grey image"
    lacks = "error: labels.csv: lacks 1 of the pictures, see above"
    assert refused == ([lacks] if form == "kaggle" else [])
