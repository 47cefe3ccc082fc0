"""Conversion of markdown to HTML: anchored headings, MathML formulas, embedded images."""

import html
import re
from dataclasses import dataclass
from pathlib import Path

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

MATHML_NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'  # HTML needs none


@dataclass(frozen=True)
class Heading:
    """An entry of a page's table of contents."""

    level: int
    text: str
    anchor: str


class Prose:
    """Converter for the markdown of one page, whose anchors are unique.

    Parameters
    ----------
    folder : Path
        Folder that relative image paths refer to.
    """

    def __init__(self, folder: Path) -> None:
        self._renderer = _Renderer(folder)
        self._markdown = MarkdownWithMath(renderer=self._renderer)

    @property
    def headings(self) -> tuple[Heading, ...]:
        """Headings of everything rendered so far, in order."""
        return tuple(self._renderer.headings)

    def render(self, source: str, attachments: dict[str, dict[str, str]] | None = None) -> str:
        """Convert markdown to HTML.

        Parameters
        ----------
        source : str
            Markdown with ``$...$`` and ``$$...$$``.
        attachments : dict, optional
            Images of a notebook cell: by name, base64 data by media type.

        Returns
        -------
        str

        Raises
        ------
        ValueError
            A formula cannot be converted to MathML.
        """
        self._renderer.attachments = attachments or {}
        return self._markdown.render(source)


class _Renderer(IPythonRenderer):
    def __init__(self, folder: Path) -> None:
        super().__init__(escape=False, embed_images=True, path=str(folder))
        self.headings: list[Heading] = []
        self.anchors: dict[str, int] = {}

    def heading(self, text: str, level: int, **attrs: object) -> str:
        plain = html.unescape(re.sub(r"<[^>]+>", "", text))
        slug = re.sub(r"\W+", "-", plain.lower()).strip("-") or "section"
        self.anchors[slug] = count = self.anchors.get(slug, 0) + 1
        anchor = slug if count == 1 else f"{slug}-{count}"
        self.headings.append(Heading(level, plain, anchor))
        link = f'<a class="anchor" href="#{anchor}" aria-label="Link to this section">#</a>'
        return f'<h{level} id="{anchor}">{text}{link}</h{level}>\n'

    def inline_math(self, body: str) -> str:
        return _write_mathml(body, "inline")

    def block_math(self, body: str) -> str:
        return f'<span class="formula">{_write_mathml(body, "block")}</span>'

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


def _write_mathml(latex: str, display: str) -> str:
    try:
        mathml = convert(latex.strip(), display=display)
    # latex2mathml's exceptions share no base
    except Exception as error:
        raise ValueError(f"${latex}$ is not a valid formula ({type(error).__name__})") from error
    if "\\" in mathml or "<mi>&</mi>" in mathml:
        raise ValueError(f"${latex}$ has a command that latex2mathml does not support")
    return mathml.replace(MATHML_NAMESPACE, "")
