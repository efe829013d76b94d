"""What the Markdown pages speak of is there: links, modules, files, rooms, and lines beside additions."""

import pathlib
import re

import pytest

from tests import test_architecture

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md")),
]
# Folders of the project; runs and reports may lie beside them.
TOP = "docs|flags|scripts|tests|tf_tickets"


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def prose_of(page):
    return re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!\w+://)([^)#]*)#?([^)]*)\)", text_of(page)):
        place = (ROOT / page).parent / target if target else ROOT / page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place.relative_to(ROOT)), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_modules_and_files_that_are_named_are_there(page):
    for code in re.findall(r"`([^`\n]+)`", prose_of(page)):
        if re.fullmatch(r"tf_tickets(\.\w+)+", code):
            assert is_there(ROOT.joinpath(*code.split("."))), code
        elif re.fullmatch(rf"({TOP})/[\w./]*", code):
            assert (ROOT / code).exists(), code


def is_there(place):
    """Whether a dotted name is a module, or a word of one."""
    if place.is_dir() or place.with_suffix(".py").exists():
        return True
    module = place.parent / "__init__.py" if place.parent.is_dir() else place.parent.with_suffix(".py")
    return module.exists() and re.search(rf"\b{place.name}\b", module.read_text(encoding="utf-8")) is not None


def test_rooms_stand_in_their_order():
    rooms = re.findall(r"^\| `(\w+)` \|", text_of("docs/architecture.md"), re.MULTILINE)
    levels = [test_architecture.LEVELS[room] for room in rooms]
    assert sorted(rooms) == sorted(test_architecture.LEVELS)
    assert levels == sorted(levels)


def additions():
    """File -> what the page on adding things does to it: (lines before, lines after) of each hunk."""
    found = {}
    for block in re.findall(r"^```diff\n(.*?)^```$", text_of("docs/adding.md"), re.MULTILINE | re.DOTALL):
        for part in block.split("+++ ")[1:]:
            file, _, hunks = part.partition("\n")
            for hunk in hunks.removesuffix("\n").split("@@\n"):
                lines = hunk.removesuffix("\n").split("\n")
                sides = ["\n".join(x[1:] for x in lines if x[:1] != other) for other in "+-"]
                found.setdefault(file, []).append(sides)
    return found


@pytest.mark.parametrize(("file", "hunks"), additions().items())
def test_additions_fit_the_files(file, hunks):
    text = f"\n{(ROOT / file).read_text(encoding='utf-8')}"
    for before, after in hunks:
        assert text.count(f"\n{before}\n") == 1, f"{file} has these lines not once:\n{before}"
        text = text.replace(f"\n{before}\n", f"\n{after}\n")
    if file.endswith(".py"):
        compile(text, file, "exec")
