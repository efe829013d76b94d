"""The networks that stand beside a method in a sweep."""

import itertools

import pytest

from tests.sweeps.plans import cells_of, rows
from tf_tickets import METHODS
from tf_tickets.sweeps.cell import planned


class TestControls:
    """Dense, dense with a method's whole budget of training, uniform and random tickets."""

    E = 30  # epochs of the digits' recipe

    def controls(self, *arguments):
        plain = cells_of(*arguments)
        cells = cells_of(*arguments, controls=True)
        assert set(plain) <= set(cells) and len(set(cells)) == len(cells)
        return [cell for cell in cells if cell not in plain]

    def test_stand_beside_every_sparsity_and_seed(self):
        controls = self.controls("--method=snip", "--sparsity=0.9,0.98", "--seed=0-1")
        sparse = list(itertools.product(("uniform", "random"), ("0.9", "0.98"), ("0", "1")))
        assert sorted(rows(controls, "method", "sparsity", "seed")) == sorted(
            [("dense", None, "0"), ("dense", None, "1"), *sparse]
        )

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("arguments", "epochs"),
        [
            (["--method=snip"], []),
            (["--method=random"], []),
            (["--method=snip", "--rounds=4"], []),
            (["--method=lt"], [2 * E]),
            (["--method=hybrid"], [2 * E]),
            (["--method=finetune"], [2 * E]),
            (["--method=weight_rewinding", "--rewind_epoch=10"], [2 * E - 10]),
            (["--method=lt", "--rounds=3"], [(1 + 3) * E]),
            (["--method=lt", "--rounds=1,3"], [2 * E, 4 * E]),
            (["--method=lt,snip,hybrid"], [2 * E]),
            (["--method=lt", "--epochs=7"], [14]),
            (["--method=lt", "--sanity_check=none,corrupted,rearrange"], [2 * E]),
        ],
    )
    def test_dense_has_the_whole_budget_of_training(self, arguments, epochs):
        (own,) = {cell.values.epochs for cell in cells_of(*arguments)}
        dense = [cell for cell in self.controls(*arguments) if cell.values.method == "dense"]
        assert sorted(cell.values.epochs for cell in dense if cell.values.epochs != own) == epochs
        assert sum(cell.values.epochs == own for cell in dense) == 1

    @pytest.mark.parametrize(
        ("arguments", "drops"),
        [([], [60, 90]), (["--milestones=15,22"], [60, 88]), (["--milestones=0.2,0.4,27"], [24, 48, 108])],
    )
    def test_the_rate_of_a_longer_dense_training_drops_at_the_same_fractions(self, arguments, drops):
        cells = cells_of("--method=lt", "--rounds=3", *arguments, controls=True)
        (long,) = (planned(cell).recipe for cell in cells if cell.values.epochs == 4 * self.E)
        rates = [long.learning_rate_at(epoch) for epoch in range(4 * self.E)]
        assert [n for n, (a, b) in enumerate(itertools.pairwise(rates), 1) if b < a] == drops

    @pytest.mark.parametrize("schedule", ["cosine", "constant"])
    def test_of_another_schedule_are_given_no_milestones(self, schedule):
        long = [x for x in self.controls("--method=lt", f"--schedule={schedule}") if x.values.epochs]
        assert [cell.values.milestones for cell in long] == [None]
        assert planned(long[0]).recipe.learning_rate_at(0) == pytest.approx(0.1)

    def test_random_tickets_are_those_of_their_own_rows(self):
        """None of the method's scores, ratios and rounds; no checks."""
        controls = self.controls(
            "--method=snip",
            "--score=grasp",
            "--score_options=temperature=1",
            "--ratios=erk",
            "--rounds=2",
            "--samples_per_class=2",
            "--sanity_check=none,rearrange",
            "--min_keep=1",
        )
        assert [cell.flags for cell in controls] == [
            (("method", "dense"),),
            (("method", "uniform"), ("min_keep", "1")),
            (("method", "random"), ("min_keep", "1")),
        ]
        for cell in controls:
            row = METHODS[cell.values.method]
            config = planned(cell)
            assert (config.row, config.ratios, config.sanity_check) == (row, row.ratios, None)

    def test_keep_of_the_classifier_what_the_ticket_keeps_where_that_is_a_fraction(self):
        """The same treatment of the classifier in every arm."""
        controls = self.controls("--method=lt", "--classifier_keep=0.5")
        assert ("random", "0.5") in rows(controls, "method", "classifier_keep")
        controls = self.controls("--method=lt", "--classifier_keep=ranked")
        assert ("random", None) in rows(controls, "method", "classifier_keep")

    def test_that_are_asked_for_anyway_are_run_once(self):
        arguments = ("--method=dense,uniform,random,snip", "--sparsity=0.9", "--seed=0-1")
        assert self.controls(*arguments) == []

    def test_know_the_epochs_from_the_recipe_of_each_dataset(self):
        controls = self.controls("--dataset=cifar10,fashion_mnist", "--method=lt")
        long = [cell for cell in controls if cell.values.epochs]
        assert rows(long, "dataset", "epochs") == [("cifar10", "320"), ("fashion_mnist", "24")]
