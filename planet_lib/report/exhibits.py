"""Figures and tables of a page: numbered, linked, and each table as CSV to download."""

import csv
import io

from bs4 import BeautifulSoup, Tag

from planet_lib.files import embed_file

CSV_ATTRIBUTE = "data-csv"  # of a table: its unrounded numbers
UNNUMBERED = "parameters"  # class around a table that is no result


def number_exhibits(html: str, page: str) -> str:
    """Number the figures and tables of a page, and offer each table as CSV.

    Figures and tables are counted apart, in the order of the page. Each gets an ``id``, such as
    ``table-2``, and a caption that starts with a link to it. Every table scrolls in its own box.

    Parameters
    ----------
    html : str
        Figures are ``<figure>`` elements with or without a ``<figcaption>``; a table may have a
        ``<caption>`` and, as attribute ``data-csv``, the CSV to offer in place of its text.
    page : str
        Name of the page; the names of the CSV files start with it.

    Returns
    -------
    str
    """
    soup = BeautifulSoup(html, "html.parser")
    for number, figure in enumerate(soup.find_all("figure"), start=1):
        if not figure.figcaption:
            figure.append(soup.new_tag("figcaption"))
        _link_caption(soup, figure, f"figure-{number}")
    tables = soup.find_all("table")
    results = [table for table in tables if not table.find_parent(class_=UNNUMBERED)]
    for number, table in enumerate(results, start=1):
        _frame_table(soup, table, f"table-{number}", page)
    for table in tables:
        label = table.parent.get("id", UNNUMBERED).replace("-", " ").capitalize()
        box = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": label}
        table.wrap(soup.new_tag("div", attrs=box))
    return soup.decode(formatter="minimal")


def _frame_table(soup: BeautifulSoup, table: Tag, anchor: str, page: str) -> None:
    caption = soup.new_tag("figcaption")
    if table.caption:
        caption.extend(list(table.caption.extract().contents))
    content = table.attrs.pop(CSV_ATTRIBUTE, None) or _write_csv(table)
    download = soup.new_tag(
        "a",
        attrs={
            "class": "download",
            "download": f"{page}-{anchor}.csv",
            "href": embed_file(content.encode(), "text/csv;charset=utf-8"),
        },
    )
    download.string = "CSV"
    caption.extend([" ", download])
    figure = table.wrap(soup.new_tag("figure", attrs={"class": "table"}))
    figure.insert(0, caption)
    _link_caption(soup, figure, anchor)


def _link_caption(soup: BeautifulSoup, figure: Tag, anchor: str) -> None:
    figure["id"] = anchor
    link = soup.new_tag("a", attrs={"class": "exhibit", "href": f"#{anchor}"})
    link.string = anchor.replace("-", " ").capitalize() + "."
    figure.figcaption.insert(0, link)
    link.insert_after(" ")


def _write_csv(table: Tag) -> str:
    """Write the text of a table as CSV; its numbers without separators, dashes and blanks."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    for row in table.find_all("tr"):
        cells = row.find_all(["th", "td"], recursive=False)
        writer.writerow(
            _write_number(text) if "number" in cell.get("class", ()) else text
            for cell in cells
            if "axis" not in cell.get("class", ())
            for text in [" ".join(cell.get_text().split())]
        )
    return lines.getvalue()


def _write_number(text: str) -> str:
    text = text.replace("\N{MINUS SIGN}", "-").replace(",", "")
    return "" if text == "–" else text
