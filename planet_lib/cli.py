"""Find illegal gold mines in satellite chips of the Amazon: reports, and their parts by hand."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from planet_lib.errors import ConfigError, DataError, suggest
from planet_lib.files import count_cores
from planet_lib.report.stage import run_command

FORMATS = ("probabilities", "kaggle")
SOURCES = ("kaggle", "mining-watch")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a user's mistake is one line on stderr and exit code 1."""
    options = _make_parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no advice on compiling TensorFlow
    return run_command(lambda: options.command(options))


def _report(options: argparse.Namespace) -> None:
    from planet_lib.report.build import make_report
    from planet_lib.scenes.options import SearchOptions

    page = make_report(
        options.name,
        data=options.data,
        profile=options.profile,
        cores=options.cores,
        replace=options.replace,
        cluster=options.cluster,
        scenes=options.scenes,
        search=_collect(SearchOptions, options),
    )
    print(f"report: {os.path.relpath(page)}")


def _lab(options: argparse.Namespace) -> None:
    from planet_lib.environment import isolate_environment
    from planet_lib.report.build import ROOT

    command = [sys.executable, "-m", "jupyter", "lab", f"--notebook-dir={ROOT / 'notebooks'}"]
    environment = isolate_environment(ROOT / "runs" / ".settings", os.environ)
    os.execve(sys.executable, [*command, *options.options], environment)


def _fetch(options: argparse.Namespace) -> None:
    if options.source is None and str(options.folder) in SOURCES:
        raise ConfigError(
            f"planet fetch {options.folder}: where to? Name a folder: "
            f"planet fetch {options.folder} FOLDER"
        )
    if options.source == "mining-watch":
        from planet_lib.data.mining_watch_download import fetch_gallery as fetch
    else:
        from planet_lib.data.kaggle_download import fetch_competition as fetch

    fetch(options.folder)


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
    from planet_lib.networks.locate import name_network

    done = label_folder(
        options.folder,
        options.table,
        model=name_network(options.model),
        kaggle=options.format == "kaggle",
        replace=options.replace,
    )
    for line in done.left_out:
        print(f"left out: {line}", file=sys.stderr)
    if done.resampled:
        print(f"{done.resampled} pictures were resampled to the ground distance of the network")
    if done.resized:
        print(f"{done.resized} pictures without a known ground distance were resized to a chip")
    print(f"{done.labelled} pictures labelled, {len(done.left_out)} left out: {options.table}")
    if done.left_out and options.format == "kaggle":
        raise DataError(f"{options.table}: lacks {len(done.left_out)} of the pictures, see above")


def _train_detector(options: argparse.Namespace) -> None:
    from planet_lib.training.ship_detector import ship_detector

    ship_detector(options.gallery, options.folder, options.work)
    print(f"detector: {options.folder}")


def _find_mines(options: argparse.Namespace) -> None:
    from planet_lib.scenes.find import find_mines

    settings = {key: value for key, value in vars(options).items() if key != "command"}
    sites = find_mines(**settings)
    print(f"sites: {len(sites)} in {os.path.relpath(options.out)}/sites.geojson")


def _scenes(options: argparse.Namespace) -> None:
    from planet_lib.report.scenes import make_scenes
    from planet_lib.scenes.options import SearchOptions

    sites, results = make_scenes(
        options.folder,
        options.name,
        options=_collect(SearchOptions, options),
        cores=options.cores,
        cluster=options.cluster,
    )
    print(f"sites: {len(sites)} in {os.path.relpath(results)}/sites.geojson")


def _collect(kind: type, options: argparse.Namespace):
    """Make a dataclass of those options that are its fields."""
    return kind(**{field.name: getattr(options, field.name) for field in fields(kind)})


def _apply_reviews(options: argparse.Namespace) -> None:
    from planet_lib.scenes.review import apply_reviews

    applied = apply_reviews(options.reviews, options.out, results=options.results)
    for problem in applied.problems:
        print(f"{problem.action}: {problem.file}: {problem.problem}", file=sys.stderr)
    print(
        f"{applied.mines} chips of mines, {applied.look_alikes} of reviewed look-alikes: "
        f"{os.path.relpath(options.out)}"
    )


def _read_bands(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list such as 3,2,1") from None


def _export(options: argparse.Namespace) -> None:
    from planet_lib.networks.onnx import export_network

    for folder in options.folders:
        print(f"exported: {export_network(folder)}")


class _Parser(argparse.ArgumentParser):
    """Reports wrong arguments in one line, like every other mistake."""

    def error(self, message: str) -> None:
        unknown = message.removeprefix("unrecognized arguments: ")
        flag = unknown.split()[0] if unknown.strip() else ""
        hint = ""
        if unknown != message:
            flags = self.list_flags()
            known = f"{flag} is of another command" if flag in flags else suggest(flag, flags)
            hint = f"; {known}"
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
        "--data",
        type=Path,
        help="a folder with Kaggle's files, packed or not, one archive, a folder in the layout of "
        "Mining Watch, or mining-watch to download it",
    )
    report.add_argument("--profile", help="a file of config/ (default: the one for the data)")
    _add_machine_options(report)
    report.add_argument(
        "--replace", action="store_true", help="also a report of another profile or other data"
    )
    report.add_argument("--scenes", type=Path, help="a scene, or a folder of them, to search too")
    _add_search_options(report.add_argument_group("search of the scenes"))

    lab = add("lab", _lab, "open JupyterLab on the notebooks")
    lab.add_argument("options", nargs="*", help="options of JupyterLab, after --")

    fetch = add("fetch", _fetch, "download a data set: of Kaggle's competition, or of Mining Watch")
    fetch.add_argument(
        "source",
        nargs="?",
        choices=SOURCES,
        help="kaggle (with your token; the default), or mining-watch (no account)",
    )
    fetch.add_argument("folder", type=Path)

    synthesize = add("synthesize", _synthesize, "write synthetic chips in Kaggle's layout")
    synthesize.add_argument("folder", type=Path)
    synthesize.add_argument("--chips", type=int, default=700, help="number of labelled chips")
    synthesize.add_argument(
        "--unlabelled", type=int, default=0, help="number of chips without labels"
    )
    synthesize.add_argument("--enrich", type=float, default=0.0, help="share with rare labels, 0-1")
    synthesize.add_argument("--seed", type=int, default=2018)

    label = add("label", _label, "label a folder of pictures with a trained network")
    label.add_argument("folder", type=Path, help="JPEG, PNG, WebP or TIFF pictures, of any size")
    label.add_argument(
        "table",
        type=Path,
        nargs="?",
        default=Path("labels.csv"),
        help="table to write, .csv or .parquet (default: labels.csv)",
    )
    label.add_argument("--replace", action="store_true", help="also a table that exists")
    label.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="of the table")
    label.add_argument(
        "--model",
        metavar="model",
        default="synthetic",
        help="synthetic or mining-watch, which come with the package, or "
        "runs/<name>/models/<network>-<input> (default: synthetic)",
    )

    detector = add("train-detector", _train_detector, "train the mine detector that is shipped")
    detector.add_argument("gallery", type=Path, help="the data set of Mining Watch")
    detector.add_argument("folder", type=Path, help="folder to write the network and its card to")
    detector.add_argument(
        "--work", type=Path, default=Path("runs/detector"), help="keeps what is finished"
    )

    find = add("find-mines", _find_mines, "find mines in scenes: GeoTIFFs and other rasters")
    find.add_argument(
        "scenes",
        nargs="+",
        metavar="scene",
        help="a raster with red, green and blue, or red.tif,green.tif,blue.tif",
    )
    find.add_argument("--out", type=Path, required=True, help="folder for the results")
    _add_search_options(find)

    scenes = add("scenes", _scenes, "find mines in all scenes of a folder, one job a scene")
    scenes.add_argument("folder", type=Path, help="of GeoTIFFs and other rasters, or one of them")
    scenes.add_argument("--name", help="folder in runs/ (default: of the folder of scenes)")
    _add_machine_options(scenes)
    _add_search_options(scenes)

    review = commands.add_parser("review", help="use what an analyst marked on the map page")
    actions = review.add_subparsers(required=True, metavar="ACTION")
    help_text = "turn marks into chips for the next training, in the layout of Mining Watch"
    apply = actions.add_parser("apply", help=help_text, description=help_text, allow_abbrev=False)
    apply.set_defaults(command=_apply_reviews)
    apply.add_argument(
        "reviews", type=Path, nargs="+", metavar="review", help="a .geojson or .csv of the map page"
    )
    apply.add_argument(
        "--out", type=Path, required=True, help="folder for the chips, also a gallery that exists"
    )
    apply.add_argument(
        "--results",
        type=Path,
        help="the folder of find-mines that was reviewed (default: that of the review)",
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


def _add_machine_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cores", type=int, default=count_cores(), help="default: all")
    parser.add_argument(
        "--cluster", type=Path, help="folder of a Snakemake profile, such as docs/cluster/slurm"
    )


def _add_search_options(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--model",
        help="a shipped detector or runs/<name>/models/<network>-<input> (default: the shipped one "
        "whose ground distance fits)",
    )
    parser.add_argument("--bands", type=_read_bands, help="red, green and blue, such as 3,2,1")
    parser.add_argument(
        "--scaling",
        help="tci (8-bit levels, default of 8-bit files), reflectance, percentile, or LOW,HIGH",
    )
    parser.add_argument(
        "--stride", type=int, help="distance of tiles in pixels (default: half a tile)"
    )
    parser.add_argument(
        "--threshold", type=float, help="probability of a site (default: the model's)"
    )
    parser.add_argument(
        "--isolated-threshold", type=float, help="of a site far from others (default: the model's)"
    )
    parser.add_argument("--boundaries", type=Path, help="areas whose names go into the table")
    parser.add_argument("--compare", type=Path, help="sites found earlier: new, grown, gone")
