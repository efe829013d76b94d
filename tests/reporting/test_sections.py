"""How a report says what a network was trained by, and what the checks say."""

import dataclasses

import pytest

from tests.reporting.synthetic import write
from tf_tickets.reporting.sections import _training, document
from tf_tickets.results import Analysis, load
from tf_tickets.training.recipe import Recipe


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"epochs": 160}, "learning rate 0.1, × 0.1 at epochs 80 and 120, weight"),
        ({"epochs": 1}, "1 epoch, batch 64, sgd, learning rate 0.1, constant, weight"),
        ({"epochs": 2}, "learning rate 0.1, × 0.1 at epoch 1, weight"),
        ({"epochs": 3, "milestones": (0.6, 0.7)}, "× 0.01 at epoch 2, weight"),
        (
            {"epochs": 500, "cycles": 5, "milestones": (30, 60)},
            "× 0.1 at epochs 30 and 60, 5 times over, weight",
        ),
        (
            {"epochs": 10, "schedule": "cosine", "warmup_epochs": 2},
            "cosine to 0, 2 epochs of warm-up, weight",
        ),
    ],
)
def test_drops_are_told_once_where_they_are_within_the_training(changes, said):
    recipe = Recipe(**{"model": "resnet32", "augment": False, **changes})
    assert said in _training(dataclasses.asdict(recipe))


@pytest.mark.usefixtures("unprinted")
@pytest.mark.parametrize(("margin", "scanned"), [("0.01", 4), ("0.5", 3), ("60%", 3)])
def test_other_margins_are_none_beyond_all_that_there_is(tmp_path, margin, scanned):
    for check in (None, "rearrange"):
        for seed in range(3):
            write(tmp_path / f"{check}-{seed}", 0.9 + 0.001 * seed, seed=seed, check=check)
    (section,) = document(load([tmp_path]), "title", Analysis.read(margin)).sections
    (folded,) = [x for x in section.parts[0].items if getattr(x, "summary", "").endswith("at other margins")]
    (table,) = folded.items
    assert len(table.head) == 1 + scanned
