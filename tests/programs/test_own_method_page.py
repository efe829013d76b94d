"""docs/own_method.md, done as it says: its file and its commands, smaller."""

import pathlib
import re
import shlex

import pytest

import tf_tickets as tt
from tests.programs import here
from tests.reporting.undrawn import leave_out_figures

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "own_method.md").read_text(encoding="utf-8")
SMALLER = {"--epochs": "1", "--sparsity": "0.9"}
FEWER = {
    "tf_tickets.sanity": ["--seed=0-2", "--sanity_check=rearrange", "--nocontrols", "--nonulls"],
    "tf_tickets.sweep": ["--seed=0"],
}


def file_of_page():
    """The Python block that is a file."""
    return re.search(r"^```python\n(# mine.py\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]


def commands():
    """The arguments of each program, with fewer epochs and seeds."""
    for block in re.findall(r"^```\n(python .*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            _, _, module, *rest = shlex.split(line)
            yield module, [*map(smaller, rest), *FEWER.get(module, [])]


def smaller(word):
    name, equals, _ = word.partition("=")
    return f"{name}={SMALLER[name]}" if equals and name in SMALLER else word


@pytest.mark.slow
@pytest.mark.usefixtures("untraced")
def test_its_commands_lead_from_a_file_to_a_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(file_of_page())
    shown = {}
    for module, rest in commands():
        name = module.removeprefix("tf_tickets.")
        if name == "report":
            leave_out_figures(monkeypatch)
            runs, output = rest
            tt.report(runs, output.removeprefix("--output="))
        else:
            code, shown[name], said = here.call(monkeypatch, name, *rest)
            assert code == 0, said
    assert shown.keys() == {"run", "sanity", "sweep"}
    assert "mine.py:active" in shown["sanity"] and "rearrange" in shown["sanity"]
    page = (tmp_path / "page" / "index.html").read_text()
    assert "mine.py:active" in page and "snip" in page
    assert list(tmp_path.glob("runs/mine_py_cells-*/*.keras"))
