"""Find illegal gold mines in satellite chips of the Amazon: reports, and their parts by hand."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from planet_lib.errors import ConfigError, DataError, suggest
from planet_lib.files import count_cores
from planet_lib.report.stage import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a user's mistake is one line on stderr and exit code 1."""
    options = _make_parser().parse_args(arguments)
    return run_command(lambda: options.command(options))


def _report(options: argparse.Namespace) -> None:
    from planet_lib.report.build import make_report

    page = make_report(
        options.name,
        data=options.data,
        profile=options.profile,
        cores=options.cores,
        replace=options.replace,
    )
    print(f"report: {os.path.relpath(page)}")


def _lab(options: argparse.Namespace) -> None:
    from planet_lib.environment import isolate_environment
    from planet_lib.report.build import ROOT

    command = [sys.executable, "-m", "jupyter", "lab", f"--notebook-dir={ROOT / 'notebooks'}"]
    environment = isolate_environment(ROOT / "runs" / ".settings", os.environ)
    os.execve(sys.executable, [*command, *options.options], environment)


def _fetch(options: argparse.Namespace) -> None:
    from planet_lib.data.kaggle_download import fetch_competition

    fetch_competition(options.folder)


def _synthesize(options: argparse.Namespace) -> None:
    from planet_lib.synthetic import write_dataset

    try:
        write_dataset(
            options.folder,
            chips=options.chips,
            unlabelled=options.unlabelled,
            seed=options.seed,
            enrich=options.enrich,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _label(options: argparse.Namespace) -> None:
    from planet_lib.evaluation.label_folder import label_folder
    from planet_lib.networks.files import PRETRAINED

    left_out = label_folder(
        options.folder, options.table, model=options.model or PRETRAINED, replace=options.replace
    )
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    print(f"labels: {options.table}")
    if left_out:
        raise DataError(f"{options.table}: lacks {len(left_out)} of the files, see above")


def _export(options: argparse.Namespace) -> None:
    from planet_lib.networks.onnx import export_network

    for folder in options.folders:
        print(f"exported: {export_network(folder)}")


class _Parser(argparse.ArgumentParser):
    """Reports wrong arguments in one line, like every other mistake."""

    def error(self, message: str) -> None:
        unknown = message.removeprefix("unrecognized arguments: ")
        flag = unknown.split()[0] if unknown.strip() else ""
        hint = f"; {suggest(flag, self.list_flags())}" if unknown != message else ""
        self.exit(2, f"error: {' '.join(message.split())}{hint} (see {self.prog} --help)\n")

    def list_flags(self) -> list[str]:
        """List the flags of this parser and of its commands."""
        flags = []
        for action in self._actions:
            flags += action.option_strings
            if isinstance(action.choices, dict):
                flags += [
                    flag for parser in action.choices.values() for flag in parser.list_flags()
                ]
        return flags


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="planet", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command, help_text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        added.set_defaults(command=command)
        return added

    report = add("report", _report, "make a report, or bring it up to date")
    report.add_argument("--name", help="folder in reports/ (default: of the data and the profile)")
    report.add_argument(
        "--data", type=Path, help="a folder with Kaggle's files, packed or not, or one archive"
    )
    report.add_argument("--profile", default="default", help="a file of config/")
    report.add_argument("--cores", type=int, default=count_cores(), help="default: all")
    report.add_argument(
        "--replace", action="store_true", help="also a report of another profile or other data"
    )

    lab = add("lab", _lab, "open JupyterLab on the notebooks")
    lab.add_argument("options", nargs="*", help="options of JupyterLab, after --")

    fetch = add("fetch", _fetch, "download the competition's files with your Kaggle token")
    fetch.add_argument("folder", type=Path)

    synthesize = add("synthesize", _synthesize, "write synthetic chips in Kaggle's layout")
    synthesize.add_argument("folder", type=Path)
    synthesize.add_argument("--chips", type=int, default=700, help="number of labelled chips")
    synthesize.add_argument(
        "--unlabelled", type=int, default=0, help="number of chips without labels"
    )
    synthesize.add_argument("--enrich", type=float, default=0.0, help="share with rare labels, 0-1")
    synthesize.add_argument("--seed", type=int, default=2018)

    label = add("label", _label, "label a folder of chips with a trained network")
    label.add_argument("folder", type=Path, help="chips of 256 x 256 pixels: JPEG, PNG or WebP")
    label.add_argument("table", type=Path, help="CSV file to write")
    label.add_argument("--replace", action="store_true", help="also a table that exists")
    label.add_argument(
        "--model",
        type=Path,
        metavar="folder",
        help="runs/<name>/models/<network>-<input> (default: pretrained on synthetic chips)",
    )

    export = add("export", _export, "write trained networks as ONNX files")
    export.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="folder",
        help="runs/<name>/models/<network>-<input>",
    )
    return parser
