"""Pages: what a reader sees, what is an error, and the faults that a browser finds."""

import base64
import copy
import csv
import io
import os
import re
from pathlib import Path

import browser
import nbformat
import pytest
from browser import INSTALL, check_site, find_chromium, open_browser, take_picture
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from planet_lib.data.labels import LABELS, MINE
from planet_lib.errors import StageError
from planet_lib.report.contents import Page
from planet_lib.report.pages import render_index, render_page

HOSTILE = "<script>alert(1)</script>"
COUNTED_NONE = {"support": 0, "predicted": 0, "found": 0}
SITE = [
    Page("01_explore", "Explore", "What the chips show."),
    Page("02_dehaze", "Remove haze", "Two methods against the truth."),
    Page("05_find_mines", "Find mines", "Where to look first."),
]
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="600" height="200">'
    '<rect width="600" height="200" fill="green"/></svg>'
)
TABLE = (
    '<div><style scoped>.dataframe {color: red}</style><table border="1" class="dataframe">'
    "<thead><tr><th></th>"
    + "".join(f"<th>{label}</th>" for label in LABELS)
    + "</tr></thead><tbody><tr><th>dark channel</th>"
    + "<td>0.841</td>" * len(LABELS)
    + "</tr></tbody></table></div>"
)
TRACEBACK = ["\x1b[31mDataError\x1b[39m: no store at " + "runs/default/" * 20]


def code(source: str, *outputs, tags=()) -> nbformat.NotebookNode:
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def show(mime: str, content: str, **metadata) -> nbformat.NotebookNode:
    return new_output("display_data", data={mime: content}, metadata={mime: metadata})


def stream(name: str, text: str) -> nbformat.NotebookNode:
    return new_output("stream", name=name, text=text)


MINIMAL = (
    "<!doctype html><html lang=en><title>T</title><link rel=icon href='data:,'>"
    "<header></header><main><h1>T</h1></main><footer></footer>"
)
PICTURE = io.BytesIO()
Image.new("L", (8, 4), 128).save(PICTURE, "PNG")
PNG = base64.b64encode(PICTURE.getvalue()).decode()
TEXTS = {"report": "Mines", "data_note": "700 chips", "synthetic": True}
FIGURE = show("image/png", PNG, alt="Four chips before and after.")
CAPTION = show("text/markdown", "*Before, after.*", caption="Before < after.")
NUMBERS = "method,F2\ndark channel,0.84123456789\n"
ERROR = new_output("error", ename="DataError", evalue="no store", traceback=TRACEBACK)
FULL = (
    new_markdown_cell("# How much haze?\n\nWith $t$ and $$J = \\frac{I - A}{\\max(t, t_0)} + A$$"),
    code("n_chips: int = 16  # chips shown\nrate: float = 1e-4", tags=["parameters"]),
    code("# Parameters\nn_chips = 4\nrate = 0.0001", tags=["injected-parameters"]),
    new_markdown_cell("## Scores\n\n| a | b |\n| - | - |\n| x | 1 |\n\n[He](https://doi.org/10.1)"),
    code("plot(scores)\n" + "very_long_name = " * 20 + "1", FIGURE, CAPTION),
    code("scores", show("text/html", TABLE)),
    code("plot()", show("image/svg+xml", SVG, alt="A green box.")),
    code("print(1)", stream("stdout", "loss 0.5 " * 40), stream("stderr", "a warning")),
    new_markdown_cell("## Scores\n\n### Limits\n\n\\begin{align} a &= b \\end{align}"),
)


@pytest.fixture
def render(tmp_path):
    """Render cells as the second page of the site and return its HTML."""

    def render_cells(*cells, **changes) -> BeautifulSoup:
        notebook = tmp_path / "02_dehaze.ipynb"
        nbformat.write(new_notebook(cells=list(cells)), notebook)
        page = tmp_path / "site" / "02_dehaze.html"
        render_page(notebook, page, **{"site": SITE} | TEXTS | changes)
        return BeautifulSoup(page.read_text(), "html.parser")

    return render_cells


@pytest.fixture
def results() -> dict:
    label = {"precision": 0.5, "recall": 2 / 3, "f2": 0.62, "average_precision": 0.43, "support": 3,
             "predicted": 4, "found": 2, "threshold": 0.21}  # fmt: skip

    def score_run(model: str, chips: str, f2: float) -> dict:
        return {
            "model": model,
            "input": chips,
            "f2": f2,
            "f2_interval": [f2 - 0.02, f2 + 0.02],
            "f2_by_threshold": {"0.5": f2 - 0.05, "0.2": f2 - 0.01, "tuned": f2},
            "labels": {name: dict(label) for name in LABELS},
            "seconds": 130.2,
        }

    return {
        "data": {
            "source": "synthetic chips, seed 2018",
            "labelled": 1700,
            "unlabelled": 150,
            "left_out": 2,
            "problems": [
                {"problem": HOSTILE, "action": "left out", "files": 2, "example": "train_7.jpg"}
            ],
            "sha256": "ab12" * 16,
            "splits": {"train": 1420, "validation": 140, "test": 140},
        },
        "runs": {
            "densenet-dehazed": score_run("densenet", "dehazed", 0.853),
            "densenet-raw": score_run("densenet", "raw", 0.837),
            "cnn-raw": score_run("cnn", "raw", 0.702),
        },
        "baselines": {"always clear primary": {"f2": 0.641, "f2_interval": [0.61, 0.67]}},
        "haze_gain": {"densenet-dehazed": {"gain": 0.012, "interval": [-0.004, 0.027]}},
        "mines": {
            "run": "densenet-dehazed",
            "chips": 150,
            "flagged": 1,
            "threshold": 0.2,
            "candidates": [{"chip": "test_12", "probability": 0.914, "labels": "clear water"}],
        },
        "provenance": {
            "commit": "4da580e",
            "seed": 2018,
            "config": {"train": {"epochs": 12}},
            "versions": {"python": "3.11.7", "keras": "3.15.1"},
            "host": "2 cores",
            "stages": {"catalogue": 3.2, "03_train-cnn-raw": 130.1},
            "seconds": 600.0,
        },
    }


@pytest.fixture
def render_front(tmp_path, results):
    """Render the front page and return its HTML."""

    def render_results(**changes) -> BeautifulSoup:
        candidates = results["mines"].get("candidates", ())
        pictures = {candidate["chip"]: PICTURE.getvalue() for candidate in candidates}
        page = tmp_path / "site" / "index.html"
        values = {"results": results, "pictures": pictures, "site": SITE}
        render_index(page, **values | TEXTS | changes)
        for name in ("results.json", "submission.csv"):
            (page.parent / name).touch()
        return BeautifulSoup(page.read_text(), "html.parser")

    return render_results


def test_pages_load_nothing(render, render_front):
    for page in (render(*FULL), render_front()):
        for link in page.find_all("a"):
            link.attrs.pop("href")
        assert not re.search(r"https?:|src=\"(?!data:)|@import|url\(", str(page))


def test_formulas_become_mathml(render):
    page = render(*FULL)
    assert [math["display"] for math in page.find_all("math")] == ["inline", "block", "block"]
    assert "$" not in page.main.get_text()


@pytest.mark.parametrize("formula", ["$a_b_c$", r"$\unheardof{a}$", r"$$\left( a$$"])
def test_formula_without_mathml_stops(render, formula):
    with pytest.raises(StageError, match=r"02_dehaze\.ipynb, cell 2: .*(formula|command)"):
        render(new_markdown_cell("# Title"), new_markdown_cell(formula))


def test_code_is_folded_and_outputs_are_not(render):
    page = render(*FULL)
    assert all(block.find_parent("details", class_="code") for block in page.select(".highlight"))
    assert not page.select("details[open], details img, details .stream")


def test_parameters_show_the_value_of_this_run(render):
    rows = render(*FULL).select(".parameters tbody tr")
    assert [row.get_text(" ", strip=True) for row in rows] == [
        "n_chips 4 instead of 16 chips shown",
        "rate 0.0001",
    ]


def test_alternative_text_is_shown(render):
    alts = [image["alt"] for image in render(*FULL).find_all("img")]
    assert alts == ["Four chips before and after.", "A green box."]


@pytest.mark.parametrize("mime", ["image/png", "image/svg+xml"])
def test_missing_alternative_text_stops(render, mime):
    added = new_markdown_cell("An Exception", metadata={"tags": ["papermill-error-cell-tag"]})
    with pytest.raises(StageError, match=r"02_dehaze\.ipynb, cell 2: .*alternative text"):
        render(added, new_markdown_cell("# T"), code("f", show(mime, PNG)))


def test_image_elsewhere_stops(render):
    with pytest.raises(StageError, match=r"cell 1: .*figure\.png"):
        render(new_markdown_cell("![A figure](https://example.org/figure.png)"))


def test_image_beside_the_notebook_is_embedded(render, tmp_path):
    (tmp_path / "figure.png").write_bytes(PICTURE.getvalue())
    image = render(new_markdown_cell("![A figure](figure.png)")).img
    assert image["src"] == f"data:image/png;base64,{PNG}"


@pytest.mark.parametrize("tag", ["script", "iframe"])
def test_active_output_stops(render, tag):
    with pytest.raises(StageError, match=f"cell 1: an output holds <{tag}>"):
        render(code("plotly", show("text/html", f"<{tag}>alert(1)</{tag}>")))


def test_failed_notebook_is_shown(render):
    page = render(new_markdown_cell("# T"), code("plot()", show("image/png", PNG), ERROR))
    failure = page.select_one(".failure")
    assert "DataError: no store" in failure.get_text()
    assert page.find(id=failure.a["href"][1:]).select_one(".error pre .ansi-red-fg")
    assert "\x1b" not in str(page)


def test_streams_are_merged_as_in_a_terminal(render):
    page = render(
        code("fit()", stream("stdout", "1/2\r"), stream("stdout", "2/2\n"), stream("stderr", "x"))
    )
    assert [pre.get_text() for pre in page.select(".stream")] == ["2/2", "x"]
    assert page.select_one(".stderr").get_text() == "x"


def test_widgets_are_dropped(render):
    widget = show("application/vnd.jupyter.widget-view+json", "model")
    widget.data["text/plain"] = "0%|"
    assert not render(code("tqdm()", widget)).select(".output")


def test_wide_tables_scroll_in_their_own_box(render):
    page = render(*FULL)
    assert all(table.find_parent(class_="scroll") for table in page.find_all("table"))
    assert len(page.select(".dataframe td.number")) == len(LABELS)
    assert not page.select("table style, .output style")


def read_download(link) -> bytes:
    """Read the file that a link embeds."""
    return base64.b64decode(link["href"].partition(";base64,")[2])


def test_figures_and_tables_are_numbered_with_anchors(render, render_front):
    for page in (render(*FULL), render_front()):
        for kind in ("figure", "table"):
            anchors = [figure["id"] for figure in page.select(f"figure[id^={kind}-]")]
            assert anchors == [f"{kind}-{number + 1}" for number in range(len(anchors))]
            for anchor in anchors:
                link = page.find(id=anchor).figcaption.a
                assert link["href"] == f"#{anchor}"
                assert link.get_text() == anchor.replace("-", " ").capitalize() + "."
        assert all(
            x.find_parent("figure") for x in page.select("main img, table:not(.parameters *)")
        )


def test_caption_of_a_figure_stands_with_it_once(render):
    page = render(*FULL)
    assert page.find(id="figure-1").figcaption.get_text() == "Figure 1. Before < after."
    assert page.get_text().count("after.") == 1


def test_every_table_is_offered_as_csv(render, render_front):
    for page in (render(*FULL), render_front()):
        tables = page.select("figure.table")
        assert tables
        for figure in tables:
            link = figure.select_one("a[download]")
            assert link["download"].endswith(f"-{figure['id']}.csv")
            rows = list(csv.reader(io.StringIO(read_download(link).decode())))
            assert len(rows) == len(figure.find_all("tr"))
            assert len(set(map(len, rows))) == 1
        assert not page.select(".scroll .scroll")


def test_csv_of_a_table_has_its_unrounded_numbers(render):
    output = new_output("display_data", data={"text/html": TABLE, "text/csv": NUMBERS})
    link = render(code("scores", output)).select_one("figure.table a[download]")
    assert read_download(link).decode() == NUMBERS


def test_csv_of_a_table_of_text_has_plain_numbers(render):
    cells = "<tr><th>a, b</th><td>−1,234.5</td></tr><tr><th>c</th><td>–</td></tr>"
    link = render(code("t", show("text/html", f"<table>{cells}</table>"))).select_one(
        "a[download$=csv]"
    )
    assert read_download(link).decode() == '"a, b",-1234.5\nc,\n'


def test_every_notebook_page_offers_its_notebook_with_the_parameters_of_the_run(render):
    link = render(*FULL).select_one("a[download='02_dehaze.ipynb']")
    notebook = nbformat.reads(read_download(link).decode(), as_version=4)
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in FULL]
    assert notebook.cells[2].metadata.tags == ["injected-parameters"]
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_repeated_headings_have_anchors_of_their_own(render):
    entries = render(*FULL).select(".side .contents a")
    assert [entry["href"] for entry in entries] == ["#scores", "#scores-2", "#limits"]


def test_page_without_a_heading_is_headed_by_its_title(render):
    assert render(code("1 + 1")).h1.get_text() == "Remove haze"


def test_navigation_marks_the_page(render):
    page = render(*FULL)
    current = {link["href"] for link in page.select("[aria-current=page]")}
    assert current == {"02_dehaze.html"}
    steps = {link["rel"][0]: link["href"] for link in page.select(".steps a")}
    assert steps == {"prev": "01_explore.html", "next": "05_find_mines.html"}


def test_ends_of_the_site(render):
    alone = render(*FULL, site=[SITE[1]])
    assert [link["href"] for link in alone.select(".steps a")] == ["index.html"]


def test_page_outside_the_site_stops(render):
    with pytest.raises(StageError, match=r"02_dehaze\.html is not a page .*01_explore\.html"):
        render(*FULL, site=SITE[:1])


@pytest.mark.parametrize(
    ("content", "message"), [(None, "missing"), ("{", "not a notebook"), ("{}", "not a notebook")]
)
def test_notebook_that_cannot_be_read_stops(tmp_path, content, message):
    notebook = tmp_path / "01_explore.ipynb"
    if content is not None:
        notebook.write_text(content)
    with pytest.raises(StageError, match=message):
        render_page(notebook, tmp_path / "01_explore.html", site=SITE, **TEXTS)


def test_page_that_stops_leaves_the_old_one(render, tmp_path):
    before = str(render(*FULL))
    with pytest.raises(StageError):
        render(new_markdown_cell("$a_b_c$"))
    assert [file.name for file in (tmp_path / "site").iterdir()] == ["02_dehaze.html"]
    page = (tmp_path / "site" / "02_dehaze.html").read_text()
    assert str(BeautifulSoup(page, "html.parser")) == before


@pytest.mark.parametrize("synthetic", [True, False])
def test_every_page_says_which_data_it_shows(render, render_front, synthetic):
    for page in (render(*FULL, synthetic=synthetic), render_front(synthetic=synthetic)):
        assert "700 chips" in page.main.get_text()
        assert bool(page.select(".banner")) is synthetic


def test_hostile_names_are_text(render, render_front, results, tmp_path):
    site = [Page(page.name, HOSTILE, HOSTILE) for page in SITE]
    texts = {"site": site, "report": HOSTILE, "data_note": HOSTILE}
    results["mines"]["candidates"][0] |= {"chip": HOSTILE, "labels": HOSTILE}
    results["provenance"] |= {"host": HOSTILE, "config": {HOSTILE: HOSTILE}}
    results["runs"]["cnn-raw"]["model"] = HOSTILE
    page = render(code(f"'{HOSTILE}'", stream("stdout", HOSTILE)), **texts)
    front = render_front(**texts)
    for soup in (page, front):
        assert len(soup.find_all("script")) == 1
        assert HOSTILE in soup.get_text()


def test_numbers_come_from_the_results(render_front):
    text = " ".join(render_front().main.get_text().split())
    for number in (
        "0.853",
        "0.833 to 0.873",
        "+0.012",
        "2 of 3",
        "1 of 150",
        "0.641",
        "0.914",
        "1,700 labelled",
        "2 min 10 s",
        "10 min 0 s",
        "2 of the chips could not be read",
    ):
        assert number in text


def test_front_page_lists_the_problems_of_the_data(render_front, results):
    (row,) = render_front().select("table.problems tbody tr")
    assert [cell.get_text() for cell in row.find_all(["th", "td"])] == [
        HOSTILE,
        "2",
        "left out",
        "train_7.jpg",
    ]
    results["data"]["problems"] = []
    page = render_front()
    assert not page.select("table.problems")
    assert "every file, row and label of the data is used as it came" in page.main.get_text()


@pytest.mark.parametrize(("support", "weak"), [(3, True), (9, True), (10, False)])
def test_counts_of_few_mines_are_not_emphasised(render_front, results, support, weak):
    scores = results["runs"]["densenet-dehazed"]["labels"][MINE]
    scores |= {"support": support, "found": support, "recall": 1.0, "average_precision": 1.0}
    page = render_front()
    tile = page.select_one(".tile")
    assert tile.select_one(".value").get_text() == f"{support} of {support}"
    assert ("weak" in tile["class"]) is weak
    assert ("Too few to say" in tile.get_text()) is weak
    assert not [bold for bold in page.select("strong") if bold.get_text() in ("1.000", "100%")]


def test_change_that_is_not_settled_is_not_emphasised(render_front, results):
    assert "weak" in render_front().select_one("#haze ~ .tiles .tile")["class"]
    results["haze_gain"]["densenet-dehazed"]["interval"] = [0.004, 0.02]
    assert "weak" not in render_front().select_one("#haze ~ .tiles .tile")["class"]


def test_front_page_pictures_the_first_candidates(render_front, results):
    candidate = results["mines"]["candidates"][0]
    results["mines"]["candidates"] = [candidate | {"chip": f"test_{i}"} for i in range(20)]
    page = render_front()
    shown = [item.code.get_text() for item in page.select(".gallery li")]
    assert shown == [f"test_{i}" for i in range(6)]
    assert all("clear, water" in image["alt"] for image in page.select(".gallery img"))


def test_best_run_stands_first(render_front):
    rows = [row.th.get_text(" ", strip=True) for row in render_front().select(".scores tbody tr")]
    assert rows == [
        "DenseNet haze removed",
        "DenseNet as taken",
        "Plain CNN as taken",
        "always clear primary baseline",
    ]


def test_question_and_comparison_follow_the_runs(render_front, results):
    assert "does removing haze help?" in render_front().h1.get_text()
    results["haze_gain"] = {}
    only_raw = render_front()
    assert "haze" not in only_raw.h1.get_text()
    assert not only_raw.find(id="haze")
    assert "This report trains 3 networks, tests" in only_raw.main.get_text()
    results["runs"]["cnn-raw"]["model"] = "ensemble"
    assert "trains 2 networks and an ensemble, tests" in render_front().main.get_text()


def test_undefined_scores_are_shown_as_such(render_front, results):
    for run in results["runs"].values():
        run["labels"][MINE] = dict.fromkeys(run["labels"][MINE]) | COUNTED_NONE
    page = render_front()
    assert "no test chip" in page.select_one(".tile .value").get_text()
    assert "None" not in page.get_text()


@pytest.mark.parametrize(
    "path",
    [
        "data",
        "data.splits.test",
        "runs.cnn-raw.f2_interval",
        f"runs.densenet-dehazed.labels.{MINE}",
        f"runs.densenet-dehazed.labels.{LABELS[0]}.support",
        "mines.run",
        "mines.candidates",
        "provenance.stages",
    ],
)
def test_missing_result_stops(render_front, results, path):
    *parents, key = path.split(".")
    branch = incomplete = copy.deepcopy(results)
    for parent in parents:
        branch = branch[parent]
    del branch[key]
    with pytest.raises(StageError, match=f"lack a key.*{key}.*make report"):
        render_front(results=incomplete)


@pytest.fixture
def chromium() -> None:
    if find_chromium() is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(INSTALL)


@pytest.mark.usefixtures("chromium")
def test_browser_finds_no_fault(render, render_front, tmp_path):
    site = [SITE[1]]
    render(*FULL, code("f()", show("image/png", PNG), ERROR), site=site)
    render_front(site=site)
    assert check_site(tmp_path / "site") == 2


@pytest.mark.usefixtures("chromium")
def test_browser_names_the_faults(tmp_path: Path):
    (tmp_path / "bad.html").write_text(
        "<!doctype html><title>T</title><link rel=icon href='data:,'><main><h1>T</h1>"
        "<img src='https://example.org/a.png'><p style='color: #bbb'>faint</p>"
        "<p style='width: 900px'>wide</p><a href='gone.html'>x</a><a href='#gone'>y</a></main>"
        "<script>throw Error('oops')</script>"
    )
    with pytest.raises(AssertionError) as error:
        check_site(tmp_path)
    for fault in (
        "no lang",
        "asks for https://example.org/a.png",
        "not drawn",
        "no alternative text",
        "contrast 1.9: faint",
        "wider than the 360 px window",
        "link to gone.html",
        "link to section #gone",
        "oops",
    ):
        assert fault in str(error.value)


@pytest.mark.usefixtures("chromium")
@pytest.mark.parametrize("largest", [1_000, 10_000_000])
@pytest.mark.slow
def test_browser_weighs_the_pages(render, tmp_path, monkeypatch, largest):
    render(*FULL, site=[SITE[1]])
    (tmp_path / "site" / "index.html").write_text(MINIMAL)
    for limit in ("PAGE_BYTES", "REPORT_BYTES"):
        monkeypatch.setattr(browser, limit, largest)
    if largest == 10_000_000:
        assert check_site(tmp_path / "site") == 2
    else:
        with pytest.raises(AssertionError, match=r"02_dehaze.html: .* MB, .*\n.*the report: .* MB"):
            check_site(tmp_path / "site")


@pytest.mark.usefixtures("chromium")
@pytest.mark.slow
def test_downloads_are_saved_without_a_network(render, tmp_path):
    output = new_output("display_data", data={"text/html": TABLE, "text/csv": NUMBERS})
    render(code("scores", output))
    with open_browser() as opened:
        page = opened.new_context(offline=True).new_page()
        page.goto((tmp_path / "site" / "02_dehaze.html").as_uri())
        saved = {}
        for link in page.locator("a[download]").all():
            with page.expect_download() as download:
                link.click()
            saved[download.value.suggested_filename] = download.value.path().read_text()
    assert saved["02_dehaze-table-1.csv"] == NUMBERS
    assert nbformat.reads(saved["02_dehaze.ipynb"], as_version=4).cells[0].source == "scores"


@pytest.mark.usefixtures("chromium")
@pytest.mark.slow
def test_picture_shows_the_front_page(render_front, tmp_path):
    render_front(site=[])
    take_picture(tmp_path / "site" / "index.html", tmp_path / "docs" / "front.png")
    with Image.open(tmp_path / "docs" / "front.png") as picture:
        assert picture.width == 1280
        assert len(picture.getcolors(2**20)) > 10


@pytest.mark.usefixtures("chromium")
@pytest.mark.slow
def test_one_button_shows_all_code(render, tmp_path):
    render(*FULL)
    with open_browser() as opened:
        page = opened.new_page(viewport={"width": 1280, "height": 800})
        page.goto((tmp_path / "site" / "02_dehaze.html").as_uri())
        folded = page.locator("details.code:not([open])")
        assert folded.count() == 4
        page.get_by_role("button", name="Show all code").click()
        assert folded.count() == 0
        page.get_by_role("button", name="Hide all code").click()
        assert folded.count() == 4
