"""Run directories as the report reads them: odd JSON is broken and says why; names are only texts."""

import csv
import html.parser
import io
import itertools
import json
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import changed_json, damaged, fuzz, read_or_refused
from tests.reporting.synthetic import write
from tf_tickets import results
from tf_tickets.reporting import layer_table
from tf_tickets.reporting.commands import command
from tf_tickets.reporting.figures import paper
from tf_tickets.reporting.report_directory import make_report

FILES = ("result.json", "config.json", "stages.json")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the files of some runs hold: run -> file -> JSON."""
    folder = tmp_path_factory.mktemp("whole")
    for name, choices in (
        ("a", {"method": "snip", "check": "rearrange"}),
        ("b", {"method": "lt", "ratios": (1.0, 0.5, 0.1), "sparsity": 0.9}),
        ("c", {"method": "grasp", "score_options": {"temperature": 1}}),
    ):
        write(folder / name, **choices)
    everything(folder)  # loads the libraries that a report needs, which counts as no run's time or memory
    return {
        run.name: {file: json.loads((run / file).read_text()) for file in FILES} for run in folder.iterdir()
    }


def written(folder, texts):
    """Writes the files of a run."""
    folder.mkdir(parents=True)
    for file, text in texts.items():
        (folder / file).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "replace"))
    return folder


def everything(folder):
    """All that a report says of a folder's runs, but for the figures."""
    runs = results.load(folder)
    for run in runs:
        assert run.status in (results.FINISHED, results.UNFINISHED, results.BROKEN)
        assert run.problem is None or ("\n" not in run.problem and len(run.problem) < 400)
        if run.status == results.FINISHED:
            assert command(run) and run.train_seconds is not False and run.epochs is not False
    for experiment in results.experiments(runs):
        results.verdicts(experiment)
        results.baselines(experiment)
    assert results.run_table(runs) and layer_table.layer_table(runs)
    return runs


@pytest.mark.slow
@fuzz(120)
@given(changes=st.data())
def test_a_run_with_other_values_is_read_or_broken(whole, tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("runs")
    for name, values in whole.items():
        texts = {file: json.dumps(value) for file, value in values.items()}
        if name == "a":
            file = changes.draw(st.sampled_from(FILES))
            texts[file] = changes.draw(changed_json(values[file]))
        written(folder / name, texts)
    runs = read_or_refused(lambda: everything(folder), str(folder))
    assert sum(run.status == results.FINISHED for run in runs) >= 2


@pytest.mark.slow
@fuzz(60)
@given(changes=st.data())
def test_the_same_change_in_both_files(whole, tmp_path_factory, changes):
    """A config that is odd, but the same in both files, is not refused for the difference."""
    text = changes.draw(changed_json(whole["b"]["config.json"]))
    value = dict(whole["b"]["result.json"])
    result = json.dumps({**value, "config": "<config>"}).replace('"<config>"', text)
    folder = tmp_path_factory.mktemp("runs")
    written(folder / "b", {"config.json": text, "result.json": result, "stages.json": "{}"})
    read_or_refused(lambda: everything(folder), str(folder))


@fuzz(40)
@given(changes=st.data(), file=st.sampled_from(FILES))
def test_damaged_bytes(whole, tmp_path_factory, changes, file):
    texts = {name: json.dumps(value).encode() for name, value in whole["c"].items()}
    texts[file] = changes.draw(damaged(texts[file]))
    folder = tmp_path_factory.mktemp("runs")
    written(folder / "c", texts)
    read_or_refused(lambda: everything(folder), str(folder))


@fuzz(4)
@given(changes=st.data())
def test_a_whole_report_of_odd_runs(whole, tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("runs")
    for name, values in whole.items():
        texts = {file: json.dumps(value) for file, value in values.items()}
        texts["result.json"] = changes.draw(changed_json(values["result.json"]))
        written(folder / name, texts)
    assert make_report(folder, folder / "report").is_file()


@pytest.mark.parametrize("file", FILES)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(whole, tmp_path, file):
    run = written(tmp_path / "a", {name: json.dumps(value) for name, value in whole["a"].items()})
    (run / file).unlink()
    os.mkfifo(run / file)
    read_or_refused(lambda: everything(tmp_path), str(tmp_path))


EVIL = [
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "'><img src=x onerror=alert(1)>",
    "</style></svg><script>x</script>",
    "{{ 7 * 7 }}{% raw %}",
    "a|b|c `code` **bold** [link](javascript:x) <b> &lt;i&gt;",
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\tx",
    "two\nlines\r\n# heading\n\n| a | b |",
    "\x00\x07\x1b[31m\u202ereversed",
    "\ud800",
    r"\input{/etc/passwd}\end{document} $x_1^{2}$ & # % ~",
    "n" * 4000,
]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The folder of a report of runs in which everything is called by such a text."""
    folder = tmp_path_factory.mktemp("evil")
    for number, evil in enumerate(EVIL):
        run = write(
            folder / "runs" / str(number),
            check=evil,
            score=f"{evil}:x",
            score_code="1",
            dataset=f"npz:{EVIL[number // 8]}",
            data_fingerprint=f"{number // 8:016x}",  # data of another name alone are the same data
            score_options={evil: evil},
        )
        result = json.loads((run / "result.json").read_text())
        for layer in result["layers"]:
            layer["name"] = evil + layer["name"]
        result |= {"notes": [evil], "versions": {evil: evil}, "hardware": {"machine": evil}, evil: evil}
        result |= {"collapsed": evil, "seconds": {evil: 1.0, "retrain": 2.0}}
        (run / "result.json").write_text(json.dumps(result))
        result["method"] = evil
        write(folder / "runs" / f"broken {number}")
        (folder / "runs" / f"broken {number}" / "result.json").write_text(json.dumps(result))
    with pytest.MonkeyPatch.context() as patch:
        drawn = []

        def first(figure, draw=paper._pdf):
            """The other PDF is drawn as its SVG is, in twice the time."""
            drawn.append(figure)
            return draw(figure) if len(drawn) == 1 else b""

        patch.setattr(paper, "_pdf", first)
        make_report(folder / "runs", folder / "report", title="".join(EVIL[:-1]))
    return folder / "report"


class Page(html.parser.HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    handle_startendtag = handle_starttag


@pytest.mark.slow
def test_names_in_the_page_are_texts(report):
    text = (report / "index.html").read_text()
    found = Page(text)
    assert not found.tags & {"script", "img", "iframe", "object", "b"}
    assert not [name for name in found.attributes if name.startswith("on")]
    assert "49{%" not in text
    assert not set(text) & set("\x00\x07\x1b\u202e")


@pytest.mark.slow
def test_names_in_the_text_are_texts(report):
    text = (report / "report.md").read_text()
    assert not set(text) & set("\x00\x07\x1b\u202e\r")
    commands = [line for line in text.splitlines() if line.startswith("      ")]
    rest = "\n".join(line for line in text.splitlines() if not line.startswith("      "))
    assert commands and all(line.strip().startswith("python -m tf_tickets.run") for line in commands)
    bare = re.sub(r"\\.", "", rest)  # without what is escaped
    assert not re.search(r"<(?!/?(details|summary)>)", bare) and "](javascript" not in bare
    assert "&" not in bare.replace("&nbsp;", "")
    for line in ("# heading", "lines", "| a | b |"):
        assert line not in rest.splitlines()
    tables = itertools.groupby(bare.splitlines(), lambda line: line.startswith("|"))
    for is_table, lines in tables:
        assert not is_table or len({line.count("|") for line in lines}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("file", ["report.csv", "layers.csv"])
def test_names_in_the_tables_are_no_formulas(report, file):
    rows = list(csv.reader(io.StringIO((report / file).read_text(), newline="")))
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "+", "@", "\t", "\r"))
        assert not cell.startswith("-") or float(cell) < 0
        assert "\n" not in cell


@pytest.mark.slow
def test_the_figures_are_xml_without_scripts(report):
    import xml.etree.ElementTree

    for path in (report / "figures").glob("*.svg"):
        tags = {item.tag.rpartition("}")[2] for item in xml.etree.ElementTree.parse(path).iter()}
        assert not tags & {"script", "img", "foreignObject", "a"}


# All that a table is set with; whatever else has a backslash would be a name's.
LATEX = re.compile(
    "begin|end|centering|small|footnotesize|scriptsize|setlength|tabcolsep|caption|label|resizebox"
    "|ifdim|else|fi|width|linewidth|toprule|midrule|bottomrule|addlinespace|multicolumn|textbf|quad"
    "|textbackslash|textasciicircum|textasciitilde|textbar|texttt|ldots|allowbreak"
    "|dagger|pm|times|circ|downarrow|uparrow|emptyset|par|smallskip"
)


@pytest.mark.slow
def test_names_in_the_tables_for_papers_are_texts(report):
    tables = [path for path in (report / "tables").iterdir() if path.name != "preview.tex"]
    assert len(tables) >= 10
    for path in tables:
        text = path.read_text()
        assert all(map(LATEX.fullmatch, re.findall(r"\\([a-zA-Z]+)", text)))
        assert text.isascii()
        bare = re.sub(r"\\.", "", text)
        assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
