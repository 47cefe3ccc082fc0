"""Conversion of an executed notebook's cells to HTML fragments."""

import ast
import base64
import io
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from markupsafe import Markup
from nbconvert.filters import Highlight2HTML, ansi2html, get_metadata, strip_ansi
from nbconvert.filters.markdown_mistune import InvalidNotebook
from nbconvert.preprocessors import ClearMetadataPreprocessor, ClearOutputPreprocessor

from planet_lib.errors import StageError
from planet_lib.report.exhibits import CSV_ATTRIBUTE
from planet_lib.report.markdown import Heading, Prose

IMAGE_TYPES = ("image/svg+xml", "image/webp", "image/png", "image/jpeg")
WIDGET_TYPE = "application/vnd.jupyter.widget-view+json"
INJECTED = "injected-parameters"
FAILURE_MARK = "papermill-error-cell-tag"
ADDED_TAGS = {INJECTED, FAILURE_MARK}  # cells that papermill adds to a run
NO_ALT = "Figure without a description"
ACTIVE_TAGS = ("script", "style", "link", "iframe", "object", "embed", "form")
KEPT_ATTRIBUTES = {"class", "href", "src", "alt", "title", "colspan", "rowspan", "scope"}
FIGURE = Markup(
    '<figure><div class="scroll"><img src="data:{};base64,{}" alt="{}"></div>'
    '<label class="zoom"><input type="checkbox"> Enlarge</label>'
    "<figcaption>{}</figcaption></figure>"
)
NUMBER = re.compile(r"[-+−]?(\d[\d,]*)?\.?\d+(e[-+]?\d+)?\s?%?|nan|–|NaN")


@dataclass(frozen=True)
class Parameter:
    """A parameter of the notebook, with its value in this run."""

    name: str
    value: str
    default: str | None  # None where the run uses it
    meaning: str


@dataclass(frozen=True)
class Cell:
    """One cell: either `prose`, or `code` with its outputs and, if any, `parameters`."""

    number: int  # position in the notebook as written, from 1
    prose: Markup | None = None
    parameters: tuple[Parameter, ...] = ()
    code: Markup | None = None
    lines: int = 0
    outputs: tuple[Markup, ...] = ()


@dataclass(frozen=True)
class Failure:
    """The cell that failed, and its error."""

    number: int
    error: str


@dataclass(frozen=True)
class Content:
    """Content of a notebook's page."""

    cells: tuple[Cell, ...]
    headings: tuple[Heading, ...]
    failure: Failure | None
    notebook: bytes  # as it was executed, with this run's parameters, but without outputs


def read_cells(notebook: Path) -> Content:
    """Convert an executed notebook to self-contained HTML fragments.

    Parameters
    ----------
    notebook : Path
        An executed ``.ipynb``, complete or stopped at a failed cell.

    Returns
    -------
    Content

    Raises
    ------
    StageError
        The file is missing or not a notebook, an image of a complete notebook has no alternative
        text or is not embedded, or a formula cannot be converted to MathML.
    """
    try:
        document = nbformat.read(notebook, as_version=4)
    except FileNotFoundError:
        raise StageError(f"{notebook} is missing; run its stage first") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise StageError(f"{notebook} is not a notebook: {error}") from error
    written = [
        cell for cell in document.cells if not ADDED_TAGS & set(cell.metadata.get("tags", ()))
    ]
    failure = _find_failure(written)
    reader = _Reader(notebook, finished=failure is None)
    injected = {
        name: value
        for cell in document.cells
        if INJECTED in cell.metadata.get("tags", ())
        for name, value, _ in _parse_parameters(cell.source)
    }
    cells = [
        reader.read(cell, number, injected)
        for number, cell in enumerate(written, start=1)
        if cell.cell_type != "raw" and cell.source.strip()
    ]
    return Content(tuple(cells), reader.prose.headings, failure, _strip_outputs(document))


def _strip_outputs(document: nbformat.NotebookNode) -> bytes:
    """Write a notebook to run again: its cells and parameters, and no trace of its execution."""
    document.cells = [
        cell for cell in document.cells if FAILURE_MARK not in cell.metadata.get("tags", ())
    ]
    for clear in (
        ClearOutputPreprocessor(),
        ClearMetadataPreprocessor(
            preserve_nb_metadata_mask={"kernelspec", "language_info"},
            preserve_cell_metadata_mask={"tags"},
        ),
    ):
        document, _ = clear.preprocess(document, {})
    return nbformat.writes(document).encode()


def _find_failure(cells: Sequence[nbformat.NotebookNode]) -> Failure | None:
    for number, cell in enumerate(cells, start=1):
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                return Failure(number, strip_ansi(f"{output.ename}: {output.evalue}"))
    return None


def _parse_parameters(source: str) -> list[tuple[str, str, str]]:
    """List name, value and trailing comment of each assignment in a cell."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return []
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    parsed = []
    for line in body:
        if isinstance(line, ast.Assign | ast.AnnAssign) and line.value:
            target = line.target if isinstance(line, ast.AnnAssign) else line.targets[0]
            # unparsed, equal values look equal: papermill writes 1e-4 as 0.0001
            name, value = ast.unparse(target), ast.unparse(line.value)
            parsed.append((name, value, comments.get(line.end_lineno, "")))
    return parsed


class _Reader:
    """Converts the cells of one notebook; problems are errors unless the notebook failed."""

    def __init__(self, notebook: Path, *, finished: bool) -> None:
        self.notebook = notebook
        self.finished = finished
        self.prose = Prose(notebook.parent)
        self.highlight = Highlight2HTML()
        self.number = 0

    def read(self, cell: nbformat.NotebookNode, number: int, injected: dict[str, str]) -> Cell:
        self.number = number
        if cell.cell_type == "markdown":
            prose = self._write_markdown(cell.source, cell.get("attachments"))
            return Cell(number, prose=prose)
        parameters = [
            Parameter(
                name,
                value=injected.get(name, default),
                default=None if injected.get(name, default) == default else default,
                meaning=meaning,
            )
            for name, default, meaning in _parse_parameters(cell.source)
            if "parameters" in cell.metadata.get("tags", ())
        ]
        return Cell(
            number,
            parameters=tuple(parameters),
            code=Markup(self.highlight(cell.source)),
            lines=len(cell.source.splitlines()),
            outputs=tuple(self._write_outputs(cell)),
        )

    def _complain(self, problem: str) -> None:
        if self.finished:
            raise StageError(f"{self.notebook}, cell {self.number}: {problem}")

    def _write_markdown(
        self, source: str, attachments: dict[str, dict[str, str]] | None = None
    ) -> Markup:
        try:
            return self._clean(self.prose.render(source, attachments), trusted=True)
        except (ValueError, InvalidNotebook) as error:
            self._complain(str(error))
            return Markup("<pre>{}</pre>").format(source)

    def _write_outputs(self, cell: nbformat.NotebookNode) -> Iterator[Markup]:
        shown = [output for output in cell.outputs if WIDGET_TYPE not in output.get("data", ())]
        captioned = zip_longest(shown, map(_read_caption, shown[1:]))
        for stream, group in groupby(captioned, key=lambda pair: pair[0].get("name")):
            if stream:
                text = "".join(output.text for output, _ in group)
                # a carriage return overwrites its line, as in a terminal
                text = re.sub(r"[^\n]*\r(?!\n)", "", text).rstrip()
                if text:
                    yield Markup('<pre class="stream {}" tabindex="0">{}</pre>').format(
                        stream, Markup(ansi2html(text))
                    )
                continue
            for output, caption in group:
                if output.output_type == "error":
                    yield Markup(
                        '<div class="error"><p><strong>{}</strong> {}</p>'
                        '<pre tabindex="0">{}</pre></div>'
                    ).format(
                        output.ename,
                        strip_ansi(output.evalue),
                        Markup(ansi2html("\n".join(output.traceback))),
                    )
                elif _read_caption(output) is None:
                    yield self._write_data(output, cell, caption or "")

    def _write_data(
        self, output: nbformat.NotebookNode, cell: nbformat.NotebookNode, caption: str
    ) -> Markup:
        data = output.data
        image = next((kind for kind in IMAGE_TYPES if kind in data), None)
        if image:
            alt = get_metadata(output, "alt", image) or get_metadata(cell, "alt")
            if not alt:
                self._complain(
                    "a figure has no alternative text; display it with "
                    f'metadata={{"{image}": {{"alt": "..."}}}}'
                )
            content = data[image]
            if image == "image/svg+xml":
                content = base64.b64encode(content.encode()).decode()
            return FIGURE.format(image, content.replace("\n", ""), alt or NO_ALT, caption)
        if "text/html" in data:
            return self._clean(data["text/html"], trusted=False, numbers=data.get("text/csv"))
        if "text/markdown" in data:
            return Markup('<div class="prose">{}</div>').format(
                self._write_markdown(data["text/markdown"])
            )
        if "text/latex" in data:
            return self._write_markdown(data["text/latex"])
        return Markup('<pre class="result" tabindex="0">{}</pre>').format(
            Markup(ansi2html(data.get("text/plain", "")))
        )

    def _clean(self, text: str, *, trusted: bool, numbers: str | None = None) -> Markup:
        """Align and attach the numbers of tables, check images, strip active content of outputs."""
        soup = BeautifulSoup(text, "html.parser")
        if not trusted:
            for tag in soup.find_all(ACTIVE_TAGS):
                if tag.name != "style":
                    self._complain(f"an output holds <{tag.name}>; publish a still figure")
                tag.decompose()
            for tag in soup.find_all(True):
                tag.attrs = {k: v for k, v in tag.attrs.items() if k in KEPT_ATTRIBUTES}
        for image in soup.find_all("img"):
            if not image.get("alt"):
                self._complain("an image has no alternative text")
                image["alt"] = NO_ALT
            if not image.get("src", "").startswith("data:"):
                self._complain(f"image {image.get('src')!r} is not a file beside the notebook")
                image.replace_with(image["alt"])
        for table in soup.find_all("table"):
            _align_numbers(table.find_all("tr"))
            if numbers:
                table[CSV_ATTRIBUTE] = numbers
        return Markup(soup.decode(formatter="minimal"))


def _read_caption(output: Mapping) -> str | None:
    """Read the caption that `planet_lib.report.figures.style.show_figure` displays."""
    return output.get("metadata", {}).get("text/markdown", {}).get("caption")


def _align_numbers(rows: Sequence) -> None:
    """Give the cells of numeric columns, headings included, the class ``number``."""
    cells = [row.find_all(["th", "td"], recursive=False) for row in rows]
    width = max(map(len, cells), default=0)
    for column in zip(*(row for row in cells if len(row) == width), strict=True):
        values = [cell.get_text().strip() for cell in column if cell.name == "td"]
        if values and all(NUMBER.fullmatch(value) for value in values):
            for cell in column:
                cell["class"] = [*cell.get("class", []), "number"]
