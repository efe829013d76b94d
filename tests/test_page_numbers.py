"""Numbers of experiments in README.md and docs/ are what the committed data say, all of them."""

import functools
import importlib
import pathlib
import re
import statistics

import pytest
import scipy.stats
from absl import flags
from absl.testing import flagsaver

from tf_tickets.results import load
from tf_tickets.storage import csv_cells

ROOT = pathlib.Path(__file__).parents[1]
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))]
# Those with numbers of the project's own experiments. What else a page says in numbers stands in its comment
# `constants`: what was chosen, not what was found.
OF_RESULTS = [page for page in PAGES if "\n<!-- let\n" in (ROOT / page).read_text(encoding="utf-8")]
LONGEST = {"docs/findings.md", "docs/sanity_checks.md", "README.md"}
# Their words speak of more than their tables: of timings, and of what follows from a simulation.
WITH_OTHER_NUMBERS = {"README.md", "docs/verdict.md", "docs/patterns.md"}
FOUND = re.compile(r"\d[\d.,]* ?(?:%|per cent|points?\b)|±|\[[−+-]?\d|[−+]\d+\.\d")


@pytest.fixture(scope="module")
def pages():
    """The program, as a module; the others beside it are imported by it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts" / "numbering")
        yield importlib.import_module("pages")


@pytest.fixture
def once(pages, monkeypatch):
    """Expressions of one page are evaluated once, however often it is written, and so are its names."""
    known, evaluate, names_of = {}, pages._said, pages._names

    def said(written, names):
        if written not in known:
            known[written] = evaluate(written, names)
        return known[written]

    words = functools.cache(lambda name: names_of(text_of(name), name))
    monkeypatch.setattr(pages, "_names", lambda text, name: words(name))
    monkeypatch.setattr(pages, "_said", said)


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def outside_of_markers(text):
    """What a page says by hand, but for its code and its constants."""
    constants = [
        x.strip() for block in re.findall(r"<!-- constants:(.*?)-->", text, re.S) for x in block.split(",")
    ]
    text = re.sub(r"<!--=.*?<!--/-->|<!--.*?-->|^```.*?^```|`[^`\n]+`", "", text, flags=re.S | re.M)
    text = re.sub(r"^    .*$", "", text, flags=re.M)
    for constant in sorted(constants, key=len, reverse=True):
        text = text.replace(constant, "")
    return text


def test_there_are_pages_of_results():
    assert {"docs/sanity_checks.md", "docs/start_sparse.md", "docs/theory.md"} <= set(OF_RESULTS)


@pytest.mark.parametrize("page", OF_RESULTS)
def test_numbers_of_results_stand_in_markers(page):
    assert page in WITH_OTHER_NUMBERS or FOUND.findall(outside_of_markers(text_of(page))) == []


@pytest.mark.parametrize(
    "text", ["It loses 3.2 points.", "98.1 ± 0.3", "[−0.54, +0.18]", "so 27 % are saved", "a gain of +1.4"]
)
def test_a_number_that_is_written_by_hand_is_seen(text):
    assert FOUND.search(outside_of_markers(f"<!-- constants: 98 % -->\n\nAt 98 %: {text}\n"))
    assert not FOUND.search(
        outside_of_markers(f"At 98 %: <!--= accuracy(x) -->{text}<!--/-->").replace("98 %", "")
    )


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.slow] * (page in LONGEST)) for page in OF_RESULTS]
)
def test_a_page_says_what_the_data_say_and_every_number_that_is_changed_by_hand_is_found(pages, page, once):
    def other(found):
        changed = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), found["shown"], count=1)
        return found[0].replace(f"-->{found['shown']}<!--/-->", f"-->{changed}<!--/-->")

    text = text_of(page)
    assert pages.differing(text, page) == []
    spans = [found for found in pages.MARKER.finditer(text) if re.search(r"\d", found["shown"])]
    changed = pages.MARKER.sub(other, text)
    assert spans and len(pages.differing(changed, page)) == len(spans)
    assert pages.rewritten(changed, page) == text


@pytest.mark.parametrize("page", PAGES)
def test_a_marker_within_a_paragraph_begins_no_line(pages, page):
    # There it would end the paragraph: a comment at the beginning of a line is a block of HTML.
    for found in pages.MARKER.finditer(text_of(page)):
        begins = text_of(page)[: found.start()].endswith("\n")
        assert begins == ("{" in found["written"]), found[0]


@pytest.mark.slow
def test_spans_are_rewritten_and_the_rest_is_left(pages, tmp_path, capsys):
    path = tmp_path / "page.md"
    written = (
        '<!-- let\nd98 = runs("laptop/digits", sparsity=0.98)\n-->\nIt is <!--= {} -->{}<!--/--> there.\n'
    )
    path.write_text(written.format('accuracy(d98("snip"))', "1 ± 2"))
    if "check" not in flags.FLAGS:
        pages.define_flags(flags.FLAGS)
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver(check=True):
        assert pages.main(["numbers", str(path)]) == 1
        assert f"{path}:4: '1 ± 2' is " in capsys.readouterr().out
        assert "1 ± 2" in path.read_text()
    with flagsaver.flagsaver(check=False):
        assert pages.main(["numbers", str(path)]) == 0
        found = re.fullmatch(re.escape(written).replace(r"\{\}", "(.*)"), path.read_text())
        assert found[2].startswith("97.")
        assert pages.main(["numbers", str(path)]) == 0
    assert capsys.readouterr().out.endswith("1 page says what the data say.\n")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ('accuracy(runs("laptop/digits")("snip"))', "2 arms of docs/laptop/digits/runs.csv fit"),
        ('accuracy(runs("laptop/digits", sparsity=0.98)("nothing"))', "0 arms of"),
        ('accuracy(runs("laptop/digits", colour=1)("snip"))', "colour is no field of a config"),
        ('accuracy(runs("laptop/none")("snip"))', "none/runs.csv does not exist"),
        ('mean(runs("laptop/digits", sparsity=0.98)("snip"), "cost")', "has no cost at seeds"),
        ("accuracy(", "unexpected"),
        ("nothing", "'nothing' is undefined"),
    ],
)
def test_an_expression_that_fails_is_named_with_its_place(pages, expression, said):
    with pytest.raises(pages.Wrong, match=re.escape(said)) as found:
        pages.rewritten(f"\n<!--= {expression} -->1<!--/-->\n", "docs/page.md")
    assert str(found.value).startswith(f"docs/page.md:2: {expression}: ")


@pytest.fixture(scope="module")
def by_hand():
    """(method, check) -> seed -> accuracy at 98 % on digits, from the CSV file and nothing else."""
    found = {}
    for row in csv_cells.rows_of((ROOT / "docs/laptop/digits/runs.csv").read_text()):
        if row["sparsity"] == "0.98":
            arm = found.setdefault((row["method"], row["sanity_check"]), {})
            arm[int(row["seed"])] = 100 * float(row["test_accuracy"])
    return found


def said(pages, expression):
    return pages.MARKER.search(pages.rewritten(f"x <!--= {expression.replace('d98', D98)} --><!--/-->"))[
        "shown"
    ]


D98 = 'runs("laptop/digits", sparsity=0.98)'


def test_the_words_are_means_deviations_and_paired_intervals(pages, by_hand):
    snip, corrupted = by_hand["snip", ""], by_hand["snip", "corrupted"]
    values = list(snip.values())
    assert said(pages, 'accuracy(d98("snip"))') == (
        f"{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f}"
    )
    differences = [corrupted[seed] - snip[seed] for seed in range(20)]
    test = scipy.stats.ttest_1samp(differences, 0)
    numbers = [statistics.fmean(differences), *test.confidence_interval(0.95)]
    mean, low, high = (f"{x:+.2f}".replace("-", "−") for x in numbers)
    assert said(pages, 'difference(d98("snip", "corrupted"))') == f"{mean} [{low}, {high}]"
    assert said(pages, 'difference(d98("snip"), d98("snip", "corrupted"))')[0] == "+"
    assert said(pages, 'accuracy(d98("snip", seeds="3"))') == f"{snip[3]:.2f}"
    assert said(pages, 'seeds(d98("snip", "corrupted", seeds="10-19"))') == "ten"
    assert said(pages, 'count(runs("laptop/digits"))') == "490"


@pytest.mark.slow
def test_dense_networks_and_controls_are_arms_by_their_epochs(pages):
    runs = load(ROOT / "docs/laptop/digits/runs.csv")
    for epochs in (30, 60):
        values = [
            run.endpoint
            for run in runs
            if run.config["method"] == "dense" and run.config["recipe"]["epochs"] == epochs
        ]
        shown = said(pages, f'accuracy(d98("dense", epochs={epochs}))')
        assert shown == f"{100 * statistics.fmean(values):.2f} ± {100 * statistics.stdev(values):.2f}"
