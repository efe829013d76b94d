"""The report: its files, its page in a browser, its command line."""

import csv
import html
import html.parser
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from absl import flags
from absl.testing import flagsaver

from tests.reporting import synthetic
from tests.reporting.synthetic import write
from tests.reporting.undrawn import leave_out_figures
from tf_tickets.programs import report as program
from tf_tickets.reporting.report_directory import MARKER, make_report
from tf_tickets.results import load
from tf_tickets.storage import csv_cells

pytestmark = pytest.mark.slow  # its trainings

ROOT = pathlib.Path(__file__).parents[2]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Opens what is folded, then says how wide the page is and needs to be.
MEASURE = """
document.querySelectorAll("details").forEach(folded => { folded.open = true; });
const all = document.documentElement, plots = [...document.querySelectorAll("svg.plot")];
parent.postMessage(JSON.stringify({
  width: innerWidth,
  needed: all.scrollWidth,
  fetched: performance.getEntriesByType("resource").length,
  pictures: plots.length,
  hidden: plots.filter(plot => plot.getBoundingClientRect().width < 200).length,
  paper: getComputedStyle(all).backgroundColor,
  parts: [...document.querySelectorAll("section section")].map(part => part.id),
}), "*");
"""
PARTS = (
    "verdicts",
    "accuracy",
    "checks",
    "accuracy-against-sparsity-and-multiply-adds",
    "keep-ratios-of-the-layers",
    "what-is-left-of-the-network",
    "training-budget",
    "how-to-make-each-number-again",
)
DENSITY, SOURCES = "accuracy-against-true-density", "starting-sparse"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three settings, one of searches, a run that is not finished, and a broken one: two hundred runs."""
    folder = tmp_path_factory.mktemp("runs")
    methods = ("random", "snip", "grasp", "lr_rewinding")
    synthetic.paper(folder / "a", seeds=5, methods=methods, sparsities=(0.98, 0.99))
    synthetic.start_sparse(folder / "c", methods=("rigl",), recipe={"model": "resnet8"})
    write(folder / "b" / "run", method="lt", recipe={"model": "resnet8", "epochs": 12})
    (write(folder / "b" / "unfinished", seed=8) / "result.json").unlink()
    (write(folder / "b" / "broken", seed=9) / "result.json").write_text("{")
    return folder


@pytest.fixture(scope="module")
def report(folder, tmp_path_factory):
    """The report of the folder."""
    return make_report([folder], tmp_path_factory.mktemp("report") / "new", title="A <b>title</b>").parent


class Page(html.parser.HTMLParser):
    """What a page holds: tags, ids, what it refers to, its texts."""

    VOID = ("meta", "br", "wbr", "link", "img", "input", "hr")

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.references, self.texts, self.open = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
                self.references.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)


def test_a_report_is_a_page_a_text_two_tables_and_figures(report):
    names = {str(path.relative_to(report)) for path in report.rglob("*") if path.is_file()}
    figures = {
        f"figures/setting-1-{name}.{kind}"
        for name in ("checks", "sparsity", "ratios")
        for kind in ("svg", "pdf")
    }
    tables = {
        f"tables/{name}.tex" for name in ("setting-1-verdicts", "setting-3-starting-sparse", "not-counted")
    }
    assert names >= {"index.html", "report.md", "report.csv", "layers.csv", MARKER, *figures, *tables}


def test_the_page_is_well_formed_and_needs_nothing_else(report):
    text = (report / "index.html").read_text()
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    # What lies beside it is only for papers: the page shows all of it.
    beside = {name for name in page.references if not name.startswith("#")}
    assert {pathlib.Path(name).suffix for name in beside} == {".pdf", ".svg", ".tex"}
    assert all((report / name).is_file() for name in beside)
    assert set(page.references) - beside <= {f"#{name}" for name in page.ids}
    # The contents lead to every part.
    assert {f"#setting-1-{part}" for part in PARTS} <= set(page.references)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(page.tags)
    assert set(re.findall(r"url\((.)", text)) == {"#"}
    assert "@import" not in text
    for part in PARTS:
        assert f"setting-1-{part}" in page.ids
    # What a report is about decides whether it has these.
    for part in (DENSITY, SOURCES):
        assert f"setting-1-{part}" not in page.ids and f"setting-3-{part}" in page.ids
    assert "not-counted" in page.ids
    seen = "".join(page.texts)
    assert "A <b>title</b>" in seen
    assert "They are not to be set beside published tables" in seen
    for word in ("sensitive", "undecided", "rearrange", "98 %", "unfinished", "broken", "resnet8"):
        assert word in seen
    for problem in ("finished so far: ticket", "result.json is damaged"):
        assert problem in seen


def test_names_of_users_are_only_texts(tmp_path):
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>\x00\x1b[31m\ud800'
    for check in (None, "rearrange", evil):
        for sparsity in (0.9, 0.98):
            write(
                tmp_path / "runs" / f"{len(str(check))}{sparsity}",
                check=check,
                sparsity=sparsity,
                score=f"{evil}:x",
                score_code="1",
                dataset=f"npz:{evil}",
                result={"versions": {evil: evil}},
            )
    page = make_report(tmp_path / "runs", tmp_path / "report", title=evil)
    tags = Page(page.read_text()).tags
    assert not {"script", "img"} & set(tags)
    assert "\\<script" in (tmp_path / "report" / "report.md").read_text()


def test_the_text_has_the_same_tables_and_its_pictures(report):
    text = (report / "report.md").read_text().strip()
    for name in re.findall(r"\]\(((?:figures|tables)/[^)]+)\)", text):
        assert (report / name).exists()
    assert len(re.findall(r"\]\(figures/[^)]+\.svg\)", text)) == 7
    assert len(re.findall(r"\]\(figures/[^)]+\.pdf\)", text)) == 7
    assert re.search(
        r"^\| snip \| 98 % \| .*[=↓↑?] (insensitive|sensitive|reversed|undecided) \|", text, re.M
    )
    # Every row of a table has the columns of its head.
    tables = [block.split("\n") for block in text.split("\n\n") if block.startswith("| ")]
    assert len(tables) >= 10
    assert re.search(
        r"^\| rigl, source 0.3 balanced \| 95 % \| .* [+−]\d\.\d+ \\\[[+−]\d\.\d+, [+−]\d\.\d+\\\] \| 3 \|",
        text,
        re.M,
    )
    assert re.search(r"^\| str \| no target \| 6\.\d\d ± 0\.\d+ \|", text, re.M)
    for rows in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert "python -m tf_tickets.run --method=snip" in text


def test_the_csv_has_one_row_a_run_with_its_numbers(folder, report):
    with open(report / "report.csv", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    found = load([folder])
    assert set(rows) == {str(run.path) for run in found}
    for run_ in found:
        row = rows[str(run_.path)]
        assert row["status"] == run_.status
        if run_.status == "finished":
            assert float(row["test_accuracy"]) == run_.endpoint
            assert int(row["seed"]) == run_.seed
            assert int(row["macs_kept"]) == run_.result["macs_kept"]
            assert row["sanity_check"] == (run_.check or "")
            assert float(row["seconds_retrain"]) == run_.result["seconds"]["retrain"]
            assert row["model"] == run_.config["recipe"]["model"]
    with open(report / "layers.csv", newline="") as file:
        layers = list(csv.DictReader(file))
    finished = [run_ for run_ in found if run_.status == "finished"]
    assert len(layers) == len(finished) * len(synthetic.LAYERS)
    assert sum(int(layer["kept"]) for layer in layers) == sum(run_.result["kept"] for run_ in finished)


def test_a_report_again_is_the_same_and_leaves_what_is_not_its_own(folder, tmp_path):
    synthetic.paper(tmp_path / "few", seeds=3, methods=("snip",), sparsities=(0.98,))
    one, again = (make_report(tmp_path / "few", tmp_path / name).parent for name in ("one", "again"))
    made = [str(path.relative_to(one)) for path in one.rglob("*") if path.is_file()]
    assert {"index.html", "figures/setting-1-checks.pdf", "tables/setting-1-accuracy.tex"} <= set(made)
    for name in made:
        assert (again / name).read_bytes() == (one / name).read_bytes()
    (tmp_path / "again" / "notes.txt").write_text("mine")
    (tmp_path / "again" / "figures" / "own.svg").write_text("mine")
    make_report([folder / "b"], tmp_path / "again")
    names = {path.name for path in (tmp_path / "again").rglob("*") if path.is_file()}
    assert {"notes.txt", "own.svg"} <= names
    # Of the report before, and of no use now.
    assert not {"setting-1-checks.svg", "setting-1-checks.pdf", "setting-1-checks.tex"} & names
    assert "setting-1-ratios.svg" in names


def test_an_output_that_is_not_ours_is_refused_and_left_alone(folder, tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "index.html").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no report"):
        make_report([folder], tmp_path / "theirs")
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["index.html"]
    assert (tmp_path / "theirs" / "index.html").read_text() == "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is not a directory"):
        make_report([folder], tmp_path / "file")
    with pytest.raises(ValueError, match="holds no report"):
        make_report([folder], folder / "b" / "run")
    leave_out_figures(monkeypatch)
    (tmp_path / "empty").mkdir()
    assert make_report([folder / "b"], tmp_path / "empty").exists()


def test_a_marker_that_names_files_elsewhere_removes_none(folder, tmp_path, monkeypatch):
    leave_out_figures(monkeypatch)
    page = make_report([folder / "b"], tmp_path / "report")
    (tmp_path / "precious.svg").write_text("mine")
    names = ["../precious.svg", "figures/../../precious.svg", "tables/../../precious.svg", "/etc/passwd", 3]
    (page.parent / MARKER).write_text(json.dumps(names))
    make_report([folder / "b"], tmp_path / "report")
    assert (tmp_path / "precious.svg").read_text() == "mine"


@pytest.mark.parametrize(("name", "value"), [("margin", 0), ("margin", 1), ("alpha", 0.5), ("alpha", -1)])
def test_margins_and_levels_out_of_range_are_refused(folder, tmp_path, name, value):
    with pytest.raises(ValueError, match=f"{name}={value} is out of range"):
        make_report([folder], tmp_path / "report", **{name: value})
    assert not (tmp_path / "report").exists()


def test_runs_with_one_seed_make_a_report(tmp_path, monkeypatch):
    leave_out_figures(monkeypatch)
    for check in (None, "rearrange"):
        write(tmp_path / "runs" / f"run{check}", method="snip", check=check)
    page = make_report(tmp_path / "runs", tmp_path / "report")
    seen = "".join(Page(page.read_text()).texts)
    assert "1 check of tickets: 1 with too few seeds" in seen
    assert "±" in seen and "nan" not in seen


def test_nothing_finished_is_said(tmp_path):
    (write(tmp_path / "runs" / "run") / "result.json").unlink()
    page = make_report(tmp_path / "runs", tmp_path / "report")
    assert "No run has finished" in page.read_text()


def test_two_hundred_runs_make_a_small_page(folder, report):
    assert len(load([folder])) >= 200
    assert (report / "index.html").stat().st_size < 3e6


# Python runs it as it starts: at the end of the program it writes down what was imported.
NOTING_IMPORTS = """
import atexit, pathlib, sys
atexit.register(lambda: pathlib.Path("imported").write_text("\\n".join(sys.modules)))
"""


def command(*arguments, cwd, more_path=()):
    """Runs `python -m tf_tickets.report` with the arguments."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "tf_tickets.report", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*more_path, ROOT)))},
        capture_output=True,
        text=True,
        timeout=300,
    )


def call(*arguments):
    """The program in this process; its exit code."""
    program.define_flags()
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver():
        return program.main(flags.FLAGS(["report", *map(str, arguments)]))


def test_a_report_is_made_of_the_table_of_another(tmp_path, monkeypatch, capsys):
    leave_out_figures(monkeypatch)
    synthetic.start_sparse(tmp_path / "runs")
    first = make_report(tmp_path / "runs", tmp_path / "first").parent
    assert call(first / "report.csv", f"--output={tmp_path / 'again'}") == 0
    assert "a table holds no learning curves" in capsys.readouterr().err
    made = [
        [{x: y for x, y in row.items() if y} for row in csv_cells.rows_of((x / "report.csv").read_text())]
        for x in (first, tmp_path / "again")
    ]
    assert made[0] == made[1]
    tables = list((first / "tables").iterdir())
    assert tables
    for table in tables:
        assert (tmp_path / "again" / "tables" / table.name).read_bytes() == table.read_bytes()


def test_the_command_lists_warnings_and_succeeds_without_tensorflow(folder, tmp_path):
    synthetic.paper(tmp_path / "runs", seeds=3, methods=("snip",), sparsities=(0.98,))
    (tmp_path / "noting").mkdir()
    (tmp_path / "noting" / "sitecustomize.py").write_text(NOTING_IMPORTS)
    given = ("runs", folder / "b", "--title=Mine", "--margin=0.02")
    done = command(*given, cwd=tmp_path, more_path=[tmp_path / "noting"])
    assert done.returncode == 0, done.stderr
    assert f"warning: {folder / 'b' / 'broken'} is broken: result.json is damaged" in done.stderr
    assert f"warning: {folder / 'b' / 'unfinished'} is unfinished" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("report/index.html: ")
    assert done.stdout.count("\n") == 1
    text = (tmp_path / "report" / "index.html").read_text()
    assert "<h1>Mine</h1>" in text and "less than 2 points" in text
    imported = (tmp_path / "imported").read_text().split("\n")
    assert "tf_tickets.reporting.report_directory" in imported and "matplotlib" in imported
    assert not {"tensorflow", "keras", "matplotlib.pyplot"} & set(imported)


def test_an_unknown_flag_is_told_from_what_is_meant_in_one_line(tmp_path):
    done = command("--marign=0.1", cwd=tmp_path)
    assert done.returncode == 1
    assert "Unknown command line flag 'marign'. Did you mean: margin" in done.stderr
    assert done.stderr.startswith("tf_tickets: ") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name run directories, or folders that hold them"),
        (["nowhere"], "nowhere does not exist"),
        (["."], "There is no run in"),
        ([".", "--margin=none"], "none"),
    ],
)
def test_a_wrong_command_says_why_in_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        assert call(*arguments) == 1
    except flags.Error as error:  # which the program says as it starts
        assert message in str(error) and "\n" not in str(error)
    else:
        said = capsys.readouterr().err
        assert message in said and said.startswith("tf_tickets: ") and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_shows_the_flags(tmp_path):
    done = command("--help", cwd=tmp_path)
    assert done.returncode == 0
    for flag in ("--output", "--title", "--margin", "--alpha", "tf_tickets.report runs"):
        assert flag in done.stdout


def test_what_only_a_report_needs_is_loaded_late():
    program = (
        "import sys\nfrom tf_tickets.reporting.report_directory import make_report\n"
        "assert not {'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [1200, 400])
def test_in_a_browser_nothing_overflows_and_nothing_is_fetched(report, tmp_path, width):
    # The page itself runs no script. A copy that may is measured in a frame: windows have a least width.
    text = re.sub(r"<meta http-equiv[^>]*>", "", (report / "index.html").read_text())
    (tmp_path / "page.html").write_text(text.replace("</body>", f"<script>{MEASURE}</script></body>"))
    (tmp_path / "frame.html").write_text(
        "<script>onmessage = message => { document.body.dataset.found = message.data; }</script>"
        f'<body><iframe src="page.html" width="{width}" height="3000" style="border: 0"></iframe></body>'
    )
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1300,3100",
            "--virtual-time-budget=5000",
            "--dump-dom",
            f"file://{tmp_path / 'frame.html'}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(html.unescape(re.search(r'data-found="([^"]*)"', done.stdout)[1]))
    assert found["width"] == width
    assert found["needed"] <= width
    assert (found["fetched"], found["hidden"]) == (0, 0)
    assert found["pictures"] >= 8
    assert found["paper"] not in ("rgba(0, 0, 0, 0)", "transparent")
    assert set(found["parts"]) >= {f"setting-1-{part}" for part in PARTS}
    assert set(found["parts"]) >= {f"setting-3-{part}" for part in (DENSITY, SOURCES)}
