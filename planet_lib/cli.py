"""The command line: ``planet report`` makes a report, the other commands are its stages."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2

from planet_lib.errors import ConfigError, PlanetError, StageError, suggest
from planet_lib.haze import METHODS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a user's mistake is one line on stderr and exit code 1."""
    cv2.setNumThreads(1)  # chips are shared out over threads, not one chip over several
    options = _make_parser().parse_args(arguments)
    try:
        options.command(options)
    except PlanetError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
    else:
        return 0
    return 1


def _report(options: argparse.Namespace) -> None:
    from planet_lib.report.build import make_report

    page = make_report(
        options.name, data=options.data, profile=options.profile, cores=options.cores
    )
    print(f"report: {os.path.relpath(page)}")


def _fetch(options: argparse.Namespace) -> None:
    from planet_lib.data.kaggle import fetch_competition

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


def _store(options: argparse.Namespace) -> None:
    from planet_lib.data.ingest import store_chips

    store_chips(
        options.data,
        options.run_dir,
        source=options.source,
        seed=options.seed,
        keep_neighbours=not options.part_neighbours,
        allow_left_out=options.allow_left_out,
    )


def _describe(options: argparse.Namespace) -> None:
    from planet_lib.features.statistics import store_statistics

    store_statistics(options.run_dir)


def _dehaze(options: argparse.Namespace) -> None:
    from planet_lib.data.haze_free import store_haze_free

    store_haze_free(options.run_dir, method=options.method, clahe=options.clahe)


def _execute(options: argparse.Namespace) -> None:
    from planet_lib.report.execute import execute_notebook, locate_unfinished

    try:
        execute_notebook(options.notebook, options.executed, options.parameters)
    except StageError as error:
        unfinished = locate_unfinished(options.executed)
        page = unfinished.with_suffix(".html")
        try:
            _render_page(unfinished, page)
        except PlanetError:
            raise error from None
        raise StageError(f"{error}; as a page: {page}") from None


def _render(options: argparse.Namespace) -> None:
    _render_page(options.notebook, options.page)


def _render_page(notebook: Path, page: Path) -> None:
    from planet_lib.files import read_json
    from planet_lib.report.build import SETTINGS, describe_data
    from planet_lib.report.pages import render_page

    render_page(
        notebook, page, **describe_data(read_json(notebook.resolve().parents[1] / SETTINGS))
    )


def _label(options: argparse.Namespace) -> None:
    from planet_lib.evaluation.label_folder import label_folder
    from planet_lib.networks.files import PRETRAINED

    left_out = label_folder(options.folder, options.table, model=options.model or PRETRAINED)
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    print(f"labels: {options.table}")


def _export(options: argparse.Namespace) -> None:
    from planet_lib.networks.onnx import export_network

    for folder in options.folders:
        print(f"exported: {export_network(folder)}")


def _publish(options: argparse.Namespace) -> None:
    from planet_lib.report.build import publish_index

    publish_index(options.run_dir, options.report)


class _Parser(argparse.ArgumentParser):
    """Ends on wrong arguments with the same one line as every other mistake."""

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


def _read_json_object(text: str) -> dict:
    """Read parameters; argparse names the text where this raises."""
    try:
        parameters = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not a JSON object ({error})") from None
    if not isinstance(parameters, dict):
        raise argparse.ArgumentTypeError(f"not a JSON object: {text}")
    return parameters


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="planet", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command, help_text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        added.set_defaults(command=command)
        return added

    report = add("report", _report, "make a report, or what is not up to date of it")
    report.add_argument("--name", default="default", help="of the folder below reports/")
    report.add_argument(
        "--data", type=Path, help="a folder with Kaggle's files, packed or not, or one archive"
    )
    report.add_argument("--profile", default="default", help="a file of config/")
    report.add_argument("--cores", type=int, default=os.cpu_count(), help="default: all")

    fetch = add("fetch", _fetch, "download the competition's files with your Kaggle token")
    fetch.add_argument("folder", type=Path)

    synthesize = add("synthesize", _synthesize, "write synthetic chips in Kaggle's layout")
    synthesize.add_argument("folder", type=Path)
    synthesize.add_argument("--chips", type=int, default=700, help="labelled ones")
    synthesize.add_argument("--unlabelled", type=int, default=0)
    synthesize.add_argument("--enrich", type=float, default=0.0, help="share with rare labels, 0-1")
    synthesize.add_argument("--seed", type=int, default=2018)

    store = add("store", _store, "decode chips into a run's store and split them")
    store.add_argument("data", type=Path)
    store.add_argument("run_dir", type=Path)
    store.add_argument("--source", required=True, help="what the pages call the data")
    store.add_argument("--seed", type=int, required=True, help="of the split")
    store.add_argument("--part-neighbours", action="store_true", help="split at random")
    store.add_argument("--allow-left-out", action="store_true")

    describe = add("describe", _describe, "compute simple statistics of every stored chip")
    describe.add_argument("run_dir", type=Path)

    dehaze = add("dehaze", _dehaze, "remove the haze of every stored chip")
    dehaze.add_argument("run_dir", type=Path)
    dehaze.add_argument("--method", required=True, choices=sorted(METHODS))
    dehaze.add_argument("--clahe", action="store_true")

    execute = add("execute", _execute, "execute a notebook into a copy")
    execute.add_argument("notebook", type=Path)
    execute.add_argument("executed", type=Path)
    execute.add_argument("parameters", type=_read_json_object, help="JSON object")

    render = add("render", _render, "render an executed notebook as a page")
    render.add_argument("notebook", type=Path)
    render.add_argument("page", type=Path)

    label = add("label", _label, "label a folder of chips with a trained network")
    label.add_argument("folder", type=Path, help="chips of 256 x 256 pixels, *.jpg")
    label.add_argument("table", type=Path, help="CSV file to write")
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

    publish = add("publish", _publish, "gather a run's results and write the front page")
    publish.add_argument("run_dir", type=Path)
    publish.add_argument("report", type=Path)
    return parser
