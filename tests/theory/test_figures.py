"""scripts/theory: every experiment is measured and drawn, and its numbers stand beside the figures."""

import importlib
import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def program(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts" / "experiments")
    return importlib.import_module("theory")


@pytest.mark.slow
def test_figures_and_numbers_are_written(program, monkeypatch, tmp_path):
    few = {
        "DENSITIES": (0.5, 0.9),
        "SHARES": (0.5, 1.0),
        "BOUND_DENSITIES": (0.5, 0.2),
        "CURVE_DENSITIES": (0.5,),
        "SUBSET_DENSITIES": (1.0, 0.3),
    }
    for name, values in few.items():
        monkeypatch.setattr(program, name, values)
    program.make(tmp_path, program.Effort(seed=1, trials=4, more_trials=50))
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert set(numbers) == {"seed", *program.EXPERIMENTS}
    for name in program.EXPERIMENTS:
        assert ElementTree.parse(tmp_path / f"{name}.svg").getroot().tag.endswith("svg")
    first, _ = numbers["width_factors"]["by_density"]
    assert first["factors"] == [34, 14, 10, 1] and first["holds_the_target"]["trials"] == 4
    low, high = first["holds_the_target"]["interval"]
    assert 0 <= low < first["holds_the_target"]["value"] <= high <= 1
    assert numbers["lower_bound"]["bounds"][1]["at_the_width_above"]["width"] == 7
    assert [row["density"] for row in numbers["subset_sums"]["rows"]] == [1.0, 0.3]


def test_the_program_can_be_called():
    assert os.access(ROOT / "scripts" / "theory", os.X_OK)
