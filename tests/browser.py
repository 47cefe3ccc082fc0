"""Open every page of a folder in Chromium, without a network, and look for faults.

Run on a built report: ``python tests/browser.py reports/default``; with ``--picture file.png`` it
also takes a picture of the front page.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "Chromium is missing; on Debian and Ubuntu: apt-get install chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NARROW_PX, WIDE_PX = 360, 1280
PICTURE_PX = 1300  # height of the picture of a front page
PAGE_BYTES, REPORT_BYTES = 2_500_000, 12_000_000

FIND_FAULTS = """() => {
  const faults = [];
  const name = (element) => element.outerHTML.slice(0, 90);
  if (!document.documentElement.lang) faults.push("<html> has no lang");
  if (!document.title.trim()) faults.push("no title");
  for (const [selector, count] of [["h1", 1], ["main", 1], ["header", 1], ["footer", 1]])
    if (document.querySelectorAll(selector).length !== count)
      faults.push(`not ${count} <${selector}>`);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i)))
    faults.push(`id ${id} is used twice`);
  for (const image of document.images) {
    if (!image.naturalWidth) faults.push(`not drawn: ${name(image)}`);
    if (!image.alt.trim()) faults.push(`no alternative text: ${name(image)}`);
  }
  for (const figure of document.querySelectorAll("main figure"))
    if (!figure.id || !figure.querySelector(`figcaption a[href="#${figure.id}"]`))
      faults.push(`not numbered: ${name(figure)}`);
  for (const table of document.querySelectorAll("main table"))
    if (!table.closest(".parameters, figure:has(a[download$='.csv'])"))
      faults.push(`no CSV: ${name(table)}`);
  for (const svg of document.querySelectorAll("svg")) {
    if (!svg.getBoundingClientRect().width) faults.push(`not drawn: ${name(svg)}`);
    if (!svg.ariaHidden && !svg.ariaLabel) faults.push(`no label: ${name(svg)}`);
  }
  for (const math of document.querySelectorAll("math"))
    if (!math.getBoundingClientRect().width) faults.push(`not drawn: ${name(math)}`);
  return faults;
}"""

# WCAG 2.2, success criterion 1.4.3: 4.5 to 1, or 3 to 1 for large text
FIND_FAINT_TEXT = """() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (rgb) => rgb.slice(0, 3).map((value) => value / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const background = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.body.querySelectorAll("*")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3)
      .map((node) => node.data.trim()).join("");
    const style = getComputedStyle(element);
    const shown = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (!text || !shown) continue;
    const pair = [parse(style.color), background(element)].map(luminance).sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) faint.push(`contrast ${ratio.toFixed(1)}: ${text.slice(0, 40)}`);
  }
  return faint;
}"""
FIND_OVERFLOW = """() => {
  const width = document.documentElement.clientWidth;
  const excess = document.documentElement.scrollWidth - width;
  return excess > 0 ? [`${excess} px wider than the ${width} px window`] : [];
}"""
UNFOLD = "() => document.querySelectorAll('details').forEach((part) => { part.open = true; })"
LIST_LINKS = "() => [...document.querySelectorAll('a[href]')].map((a) => a.getAttribute('href'))"
LIST_IDS = "() => [...document.querySelectorAll('[id]')].map((element) => element.id)"


def find_chromium() -> str | None:
    """Find the system's Chromium or Chrome."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start a headless Chromium; raise `FileNotFoundError` where there is none."""
    chromium = find_chromium()
    if chromium is None:
        raise FileNotFoundError(INSTALL)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def check_site(folder: Path) -> int:
    """Check all pages of a folder and return how many there are.

    A page is at fault if it asks for anything that is not in its own file, writes to the
    console, leaves an image undrawn or without alternative text, has a figure without a number or
    a table without its CSV, is wider than a window of 360 or 1280 px, has text of too little
    contrast in the light or the dark scheme, has a link to a file or a section that does not
    exist, or is larger than 2.5 MB. All files together have at most 12 MB, those of scenes apart.

    Parameters
    ----------
    folder : Path
        Holds at least one ``.html`` file.

    Returns
    -------
    int

    Raises
    ------
    AssertionError
        A page is at fault; the message lists all faults of all pages.
    """
    files = sorted(folder.glob("*.html"))
    assert files, f"no page in {folder}"
    faults: list[str] = []
    links: dict[str, list[str]] = {}
    anchors: dict[str, set[str]] = {}
    with open_browser() as browser:
        context = browser.new_context(offline=True)
        for file in files:
            page = context.new_page()
            found = _check_page(page, file)
            faults += [f"{file.name}: {fault}" for fault in found]
            links[file.name] = page.evaluate(LIST_LINKS)
            anchors[file.name] = set(page.evaluate(LIST_IDS))
            page.close()
    faults += _check_links(folder, links, anchors) + _check_sizes(folder)
    assert not faults, "\n" + "\n".join(faults)
    return len(files)


def _check_page(page: Page, file: Path) -> list[str]:
    faults: list[str] = []
    address = file.resolve().as_uri()

    def observe(request) -> None:
        if request.url != address and not request.url.startswith("data:"):
            faults.append(f"asks for {request.url[:90]}")

    page.on("request", observe)
    page.on("requestfailed", lambda request: faults.append(f"failed: {request.url[:90]}"))
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.set_viewport_size({"width": NARROW_PX, "height": 800})
    page.goto(address)
    faults += page.evaluate(FIND_FAULTS) + page.evaluate(FIND_OVERFLOW)
    page.evaluate(UNFOLD)
    faults += page.evaluate(FIND_OVERFLOW)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        faults += [f"{scheme} scheme: {fault}" for fault in page.evaluate(FIND_FAINT_TEXT)]
    page.set_viewport_size({"width": WIDE_PX, "height": 800})
    return faults + page.evaluate(FIND_OVERFLOW)


def _check_links(
    folder: Path, links: dict[str, list[str]], anchors: dict[str, set[str]]
) -> list[str]:
    faults = []
    for name, addresses in links.items():
        for address in dict.fromkeys(addresses):
            if urlsplit(address).scheme:
                continue
            target, anchor = urldefrag(address)
            target = unquote(target) or name
            if not (folder / target).is_file():
                faults.append(f"{name}: link to {target}, which is not there")
            elif anchor and unquote(anchor) not in anchors[target]:
                faults.append(f"{name}: link to section {address}, which is not there")
    return faults


def _check_sizes(folder: Path) -> list[str]:
    files = [file.relative_to(folder) for file in folder.rglob("*.*")]
    sizes = {
        str(file): (folder / file).stat().st_size for file in files if file.parts[0] != "scenes"
    }
    limits = [(name, size, PAGE_BYTES) for name, size in sizes.items() if name.endswith(".html")]
    limits.append(("the report", sum(sizes.values()), REPORT_BYTES))
    return [
        f"{name}: {size / 1e6:.2f} MB, more than {limit / 1e6:.2f} MB"
        for name, size, limit in limits
        if size > limit
    ]


def take_picture(page: Path, picture: Path) -> None:
    """Take a picture of the top of a page, in the light scheme, as the README shows it."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        opened = browser.new_page(viewport={"width": WIDE_PX, "height": PICTURE_PX})
        opened.goto(page.resolve().as_uri())
        opened.screenshot(path=picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Check the pages of a report in Chromium.")
    parser.add_argument("report", type=Path, help="folder of the report")
    parser.add_argument("--picture", type=Path, help="PNG file for a picture of the front page")
    chosen = parser.parse_args()
    if not (chosen.report / "index.html").exists():
        sys.exit(f"error: {chosen.report}: no index.html in it; run 'make report' first")
    print(f"{check_site(chosen.report)} pages without a fault")
    if chosen.picture:
        take_picture(chosen.report / "index.html", chosen.picture)
