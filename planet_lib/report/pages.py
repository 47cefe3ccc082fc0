"""Pages of a report: standalone HTML files that load nothing."""

import base64
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from planet_lib.data.labels import MINE
from planet_lib.errors import StageError
from planet_lib.evaluation.metrics import bound_proportion
from planet_lib.files import embed_file, replace_file
from planet_lib.report.contents import HOME, INPUT_NAMES, NETWORK_NAMES, Page, name_label
from planet_lib.report.exhibits import number_exhibits
from planet_lib.report.notebook import read_cells

TEMPLATES = Path(__file__).with_name("templates")
CANDIDATES_PICTURED = 6
CANDIDATES_LISTED = 10
FEW_CHIPS = 10  # results on fewer are not emphasised


class _Missing(jinja2.StrictUndefined):
    """A missing key, which also raises where its value would be formatted as a number."""

    __format__ = jinja2.StrictUndefined.__str__


def render_page(
    notebook: Path,
    page: Path,
    *,
    site: Sequence[Page],
    report: str,
    data_note: str,
    synthetic: bool,
) -> None:
    """Write an executed notebook, complete or failed, as one HTML file.

    Parameters
    ----------
    notebook : Path
        The executed ``.ipynb``. If a cell failed, the page starts with the error.
    page : Path
        The HTML file; its name is the ``href`` of one page of `site`.
    site : sequence of Page
        The notebooks' pages in reading order, as from `planet_lib.report.contents.list_pages`.
    report : str
        Name of the report, shown in the header.
    data_note : str
        Description of the data.
    synthetic : bool
        Whether to show a banner that the chips are synthetic.

    Raises
    ------
    StageError
        `page` is not in `site`, the notebook is missing, an image of a complete notebook has no
        alternative text or is not embedded, or a formula cannot be converted to MathML.
    """
    names = [link.href for link in site]
    if page.name not in names:
        raise StageError(f"{page.name} is not a page of this report; its pages: {', '.join(names)}")
    position = names.index(page.name)
    content = read_cells(notebook)
    pages = [Page("index", "Overview", ""), *site]
    _write(
        page,
        "notebook.html.j2",
        content=content,
        notebook=embed_file(content.notebook, "application/x-ipynb+json"),
        link=site[position],
        number=position + 1,
        previous=pages[position],
        following=pages[position + 2] if position + 2 < len(pages) else None,
        site=site,
        report=report,
        data_note=data_note,
        synthetic=synthetic,
        current=page.name,
    )


def render_index(
    page: Path,
    *,
    results: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    site: Sequence[Page],
    report: str,
    data_note: str,
    synthetic: bool,
) -> None:
    """Write the front page: question, chips to inspect, scores, links, limits, provenance.

    Parameters
    ----------
    page : Path
        The HTML file.
    results : mapping
        The content of ``results.json``; every number on the page comes from it.
    pictures : mapping of str to bytes
        WebP pictures of the chips that are most likely to have a mine, by name.
    site, report, data_note, synthetic
        As for `render_page`.

    Raises
    ------
    StageError
        `results` lacks a key.
    """
    with _explain_missing_keys(report):
        scores = results["runs"][results["mines"]["run"]]["labels"][MINE]
        _write(
            page,
            "index.html.j2",
            results=results,
            scores=_compare_runs(results),
            haze=_compare_inputs(results),
            recall=bound_proportion(scores["found"], scores["support"]),
            gallery=_embed_pictures(results["mines"]["candidates"], pictures),
            config=yaml.safe_dump(results["provenance"]["config"], sort_keys=False),
            mine=MINE,
            candidates_listed=CANDIDATES_LISTED,
            few_chips=FEW_CHIPS,
            site=site,
            report=report,
            data_note=data_note,
            synthetic=synthetic,
            current=HOME,
        )


def render_detection(
    page: Path,
    *,
    results: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    site: Sequence[Page],
    report: str,
    data_note: str,
) -> None:
    """Write the front page of a report in which the mine alone is evaluated.

    Parameters
    ----------
    page, results, site, report, data_note
        As for `render_index`.
    pictures : mapping of str to bytes
        WebP pictures of the chips that are taken for a mine, by name.

    Raises
    ------
    StageError
        `results` lacks a key.
    """
    with _explain_missing_keys(report):
        _write(
            page,
            "detection.html.j2",
            results=results,
            gallery=_embed_pictures(results["mistaken"], pictures),
            config=yaml.safe_dump(results["provenance"]["config"], sort_keys=False),
            site=site,
            report=report,
            data_note=data_note,
            synthetic=False,
            current=HOME,
        )


@contextmanager
def _explain_missing_keys(report: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, jinja2.UndefinedError) as error:
        raise StageError(
            f"the results of report {report!r} lack a key: {error}; run `make report` again"
        ) from error


def _embed_pictures(
    chips: Sequence[Mapping[str, Any]], pictures: Mapping[str, bytes]
) -> list[dict[str, Any]]:
    """Add to the first chips their pictures as data addresses."""
    return [
        chip | {"picture": embed_file(pictures[chip["chip"]], "image/webp")}
        for chip in chips[:CANDIDATES_PICTURED]
    ]


def _compare_runs(results: Mapping[str, Any]) -> dict[str, Any]:
    """Sort runs and baselines by F2 and choose an axis that covers all their intervals."""
    rows = [{"name": name, "run": run, "f2": run["f2"]} for name, run in results["runs"].items()]
    rows += [
        {
            "name": name,
            "run": None,
            "f2": baseline["f2"],
            "interval": baseline["f2_interval"],
        }
        for name, baseline in results["baselines"].items()
    ]
    ends = [row["f2"] for row in rows if row["f2"] is not None]
    scored = [*results["runs"].values(), *results["baselines"].values()]
    ends += [end for score in scored for end in score["f2_interval"] or ()]
    low = math.floor(min(ends, default=0) * 10) / 10
    high = max(math.ceil(max(ends, default=1) * 10) / 10, low + 0.1)
    rows.sort(key=lambda row: -1 if row["f2"] is None else row["f2"], reverse=True)
    thresholds = dict.fromkeys(
        threshold for run in results["runs"].values() for threshold in run["f2_by_threshold"]
    )
    return {"rows": rows, "low": low, "high": high, "thresholds": list(thresholds)}


def _compare_inputs(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pair each compared run with the run of the same network on raw chips."""
    runs = results["runs"]
    return [
        {
            "run": runs[run],
            "raw": runs[f"{runs[run]['model']}-raw"]["f2"],
            "gain": change["gain"],
            "interval": change["interval"],
            "settled": math.prod(change["interval"]) > 0,
        }
        for run, change in results["haze_gain"].items()
    ]


def _count_found(scores: Mapping[str, Any]) -> str:
    """Write recall as counts, such as ``2 of 3``."""
    return f"{scores['found']:,} of {scores['support']:,}" if scores["support"] else "no test chip"


def _write(page: Path, template: str, **values: Any) -> None:
    """Render a template into a file."""
    script = (TEMPLATES / "page.js").read_text()
    values |= {
        "style": Markup((TEMPLATES / "page.css").read_text()),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "home": HOME,
    }
    html = _environment().get_template(template).render(values)
    with replace_file(page) as partial:
        partial.write_text(number_exhibits(html, page.stem), encoding="utf-8")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=_Missing,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "score": _or_dash(lambda value: f"{value:.3f}"),
        "threshold": _or_dash(lambda value: f"{value:.2f}"),
        "gain": _or_dash(lambda value: f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")),
        "interval": _or_dash(lambda ends: f"{ends[0]:.3f} to {ends[1]:.3f}"),
        "count": _or_dash(lambda value: f"{value:,}"),
        "share": "{:.0%}".format,
        "found": _count_found,
        "duration": _or_dash(_write_duration),
        "network_name": lambda name: NETWORK_NAMES.get(name, name),
        "input_name": lambda name: INPUT_NAMES.get(name, name),
        "label_name": name_label,
    }
    environment.tests["few"] = lambda scores: scores["support"] < FEW_CHIPS
    return environment


def _or_dash(write: Callable[[Any], str]) -> Callable[[Any], str]:
    """Format a number, or show a dash where it is undefined."""
    return lambda value: "–" if value is None else write(value)


def _write_duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes / 60:.1f} h"
