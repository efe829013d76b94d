"""What a sweep runs: which cells, in which order, with which flags; and what is refused before that."""

import itertools

import pytest

from tests.sweeps.plans import cells_of, rows, values_of
from tf_tickets import Ticket, config
from tf_tickets.sanity import CHECKS
from tf_tickets.sweeps.axes import AXES
from tf_tickets.sweeps.cell import Cell, parse, planned, recipe_by_name
from tf_tickets.sweeps.grid import read_grid


class TestCells:
    @pytest.mark.slow
    def test_are_the_product_of_the_axes_the_first_varying_slowest(self):
        axes = (
            ("dataset", "digits", "cifar10"),
            ("model", "resnet8", "vgg11"),
            ("method", "snip", "lt"),
            ("ratios", "smart", "erk"),
            ("rounds", "1", "3"),
            ("sparsity", "0.9", "0.98"),
            ("source_density", "0.3"),
            ("source_ratios", "balanced"),
            ("sanity_check", "none", "rearrange"),
            ("seed", "0", "1"),
        )
        assert tuple(name for name, *_ in axes) == AXES
        # Whatever the order on the command line.
        cells = cells_of(*(f"--{name}={','.join(texts)}" for name, *texts in reversed(axes)))
        product = itertools.product(*(texts for _, *texts in axes))
        assert rows(cells, *AXES) == [
            tuple(None if text == "none" else text for text in point) for point in product
        ]

    def test_are_in_the_order_that_values_are_given_in(self):
        cells = cells_of("--method=snip,lt", "--sparsity=0.98,0.9", "--seed=1,0")
        assert rows(cells, "method", "sparsity", "seed") == list(
            itertools.product(("snip", "lt"), ("0.98", "0.9"), ("1", "0"))
        )

    def test_of_no_axis_at_all_are_one_run_of_the_defaults(self):
        (cell,) = cells_of()
        assert planned(cell) == config.plan_config(parse([]), recipe_by_name(cell))

    def test_say_what_the_command_line_of_one_run_says(self):
        (cell,) = cells_of(
            "--method=grasp",
            "--sparsity=0.9",
            "--seed=3",
            "--score_options=temperature=1,halves=false",
            "--epochs=7",
            "--milestones=0.5,5",
            "--nonesterov",
            "--augment_scoring=false",
            "--export=keras,litert",
        )
        values = parse(cell.arguments)
        assert (values.method, values.sparsity, values.seed, values.epochs) == ("grasp", 0.9, 3, 7)
        assert values.score_options == ["temperature=1", "halves=false"]
        assert (values.milestones, values.export) == (["0.5", "5"], ["keras", "litert"])
        assert (values.nesterov, values.augment_scoring) == (False, False)
        assert values.momentum is None, "what is not given is left to the recipe"

    def test_that_say_the_same_are_the_same(self):
        one = Cell((("seed", "0"), ("method", "lt"), ("epochs", "3")))
        other = Cell((("epochs", "3"), ("method", "lt"), ("seed", "0")))
        assert one == other and hash(one) == hash(other)
        assert one.having(seed="1") != one and one.having(seed="1").having(seed="0") == one

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--method=snip,snip,lt,snip",),
            ("--method=snip,lt", "--seed=0,0-0,0"),
            ("--method=snip,lt", "--sparsity=0.98,0.98"),
            ("--method=snip,lt", "--sanity_check=none,none"),
        ],
    )
    def test_asked_for_twice_are_run_once(self, arguments):
        assert rows(cells_of(*arguments), "method") == [("snip",), ("lt",)]

    def test_are_called_by_what_tells_them_apart(self):
        found = read_grid(values_of("--dataset=digits", "--method=lt", "--rounds=1,5", "--seed=0-1"))
        assert [found.label(cell) for cell in found.cells] == [
            "lt rounds=1 seed 0",
            "lt rounds=1 seed 1",
            "lt rounds=5 seed 0",
            "lt rounds=5 seed 1",
        ]


class TestDenseCells:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "arguments",
        [
            ("--sparsity=0.9,0.95,0.98",),
            ("--sanity_check=none,rearrange,corrupted",),
            ("--ratios=smart,erk",),
            ("--score=snip",),
            ("--sparsity=0.9,0.98", "--sanity_check=none,rearrange", "--ratios=smart,erk", "--min_keep=1"),
        ],
    )
    def test_are_one_for_each_seed_whatever_is_varied_of_tickets(self, arguments):
        cells = cells_of("--method=dense,lt", "--seed=0-2", *arguments)
        dense = [cell for cell in cells if cell.values.method == "dense"]
        assert [cell.flags for cell in dense] == [(("method", "dense"), ("seed", str(x))) for x in range(3)]

    def test_are_one_for_each_dataset_and_model(self):
        cells = cells_of("--method=dense", "--dataset=cifar10,cifar100", "--model=vgg19,resnet32")
        assert len(cells) == 4


class TestChecks:
    def test_stand_beside_the_unchecked_ticket(self):
        cells = cells_of("--method=snip,lt", "--sanity_check=none,corrupted")
        assert rows(cells, "method", "sanity_check") == [
            ("snip", None),
            ("snip", "corrupted"),
            ("lt", None),
            ("lt", "corrupted"),
        ]

    def test_can_be_for_one_of_the_methods(self):
        cells = cells_of(
            "--method=dense,lt,lr_rewinding",
            "--sanity_check=none,rearrange,lr_rewinding:shuffle_weights,lr_rewinding:rearrange+reinitialize",
        )
        assert rows(cells, "method", "sanity_check") == [
            ("dense", None),
            ("lt", None),
            ("lt", "rearrange"),
            ("lr_rewinding", None),
            ("lr_rewinding", "rearrange"),
            ("lr_rewinding", "shuffle_weights"),
            ("lr_rewinding", "rearrange+reinitialize"),
        ]

    def test_for_one_method_and_for_all_are_run_once(self):
        cells = cells_of("--method=lt", "--sanity_check=rearrange,lt:rearrange")
        assert rows(cells, "sanity_check") == [("rearrange",)]

    def test_can_be_for_the_method_that_is_the_default(self):
        assert rows(cells_of("--sanity_check=hybrid:rearrange"), "sanity_check") == [("rearrange",)]

    def test_that_say_nothing_are_left_out_with_the_reason(self):
        found = read_grid(
            values_of("--method=random,snip", "--sparsity=0.9", "--sanity_check=none,corrupted", "--seed=0-4")
        )
        assert len(found.cells) == 5 * (1 + 2)
        assert found.silent == {"random 0.9 corrupted": "the method looks at no data"}

    def test_for_a_method_that_is_not_there_are_refused(self):
        with pytest.raises(ValueError, match="--sanity_check=grasp:rearrange is for a method that is not in"):
            cells_of("--method=lt,snip", "--sanity_check=grasp:rearrange")


class TestFlagsOfSomeMethods:
    @pytest.mark.parametrize(
        ("flag", "value", "methods", "used_by"),
        [
            ("rounds", "3", "random,lt,snip", "lt,snip"),
            ("rewind_epoch", "1", "lt,weight_rewinding", "weight_rewinding"),
            ("samples_per_class", "5", "synflow,snip,obd", "snip,obd"),
            ("sampling", "bernoulli", "erk,hybrid", "erk"),
            ("ratio_family", "vgg", "random,lt", "random"),
            ("min_keep", "2", "dense,lt,random", "lt,random"),
            ("redistribute", "false", "erk,snip", "erk"),
        ],
    )
    def test_are_left_out_where_they_mean_nothing(self, flag, value, methods, used_by):
        cells = cells_of(f"--method={methods}", f"--{flag}={value}")
        assert rows(cells, "method", flag) == [
            (method, value if method in used_by.split(",") else None) for method in methods.split(",")
        ]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--method=random,magnitude", "--samples_per_class=5"], "=5 is only for a method that scores"),
            (["--method=lt,hybrid", "--rewind_epoch=1"], "=1 is only for a method that rewinds to an epoch"),
            (["--method=dense", "--min_keep=1"], "=1 is only for a method that prunes"),
            (["--method=lt,snip", "--noredistribute"], "=false is only for a method that uses ratios"),
            (["--method=random,erk", "--rounds=1,3"], "=1,3 is only for a method that gains by rounds"),
            (["--method=dense", "--ratios=erk"], "=erk is only for a method that prunes"),
        ],
    )
    def test_that_mean_nothing_to_any_are_refused(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            cells_of(*arguments)

    def test_that_the_recipe_does_not_use_are_refused(self):
        (cell,) = cells_of("--method=lt", "--optimizer=adam", "--momentum=0.5")
        with pytest.raises(ValueError, match=r"--momentum=0.5 is only for --optimizer=sgd"):
            planned(cell)


class TestErrors:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                ["--method=snip,hybird"],
                r"--method=hybird is unknown. Did you mean hybrid. Choose one of: dense, random",
            ),
            (["--sparsity=0.9,1.5"], r"1\.5"),
            (["--sparsity=0.9,abc"], r"--sparsity=abc: could not convert"),
            (["--sparsity=0.9,nan"], r"nan"),
            (["--rounds=1,x", "--method=lt"], r"--rounds=x"),
            (["--rounds=0", "--method=lt"], r"--rounds=0 is out of range"),
            (["--dataset=cifar11"], "cifar11"),
            (["--sparsity="], "--sparsity is empty"),
            (["--method=lt,,snip"], "--method is empty"),
            (["--seed="], "--seed is empty"),
            (["--seed=5-3"], "--seed=5-3 is an empty range"),
            (["--seed=-1"], r"--seed takes whole numbers, 0 or more, and ranges such as 0-9. Received: '-1'"),
            (["--ratios=0.5,0.3"], r"--ratios=0.5,0.3: a sweep takes names of ratios, or ticket:FILE"),
            (["--ratios=clever"], r"--ratios=clever is unknown"),
            (
                ["--sanity_check=none,corupted"],
                r"--sanity_check=corupted is unknown. Did you mean corrupted. Choose one of: ran",
            ),
            (["--sanity_check=hybrid:none"], r"--sanity_check=none is unknown"),
            (["--run_dir=here"], r"--run_dir=here is for one run; a sweep has --runs_dir"),
            (["--dense_dir=here"], r"--dense_dir=here is for one run"),
            (["--ticket=my.npz"], r"--ticket=my.npz is for one run"),
            (["--method=lt,hybrid", "--classifier_keep=ranked"], r"--classifier_keep=ranked: a fraction in"),
            (["--score=snop"], r"--score='snop' is unknown"),
            (["--export=coreml"], r"--export=coreml is unknown"),
            (["--threads=0"], r"--threads=0 is out of range"),
        ],
    )
    def test_come_before_any_work(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            cells_of(*arguments)
        with pytest.raises(ValueError, match=message):
            cells_of(*arguments, controls=True)

    def test_a_dataset_whose_recipe_only_the_data_tell(self):
        (cell,) = cells_of("--dataset=npz:nowhere.npz")
        with pytest.raises(ValueError, match=r"--dataset=npz:nowhere.npz: only the data tell its recipe"):
            planned(cell)

    def test_a_ratio_of_a_ticket_is_no_number(self, tmp_path):
        import numpy as np

        path = tmp_path / "ticket.npz"
        Ticket((np.arange(10) < 3,), ("w",), {"method": "lt"}).save(path)
        (cell,) = cells_of("--method=random", "--sparsity=0.9", f"--ratios=ticket:{path}")
        assert planned(cell).ratios == (0.3,)


def test_every_check_can_be_swept_and_says_something_of_some_method():
    cells = cells_of("--method=lr_rewinding", f"--sanity_check={','.join(CHECKS)}")
    assert rows(cells, "sanity_check") == [(name,) for name in CHECKS]


class TestSearchesAndSources:
    def test_a_source_is_for_methods_that_prune(self):
        cells = cells_of(
            "--method=dense,erk", "--sparsity=0.9", "--source_density=0.4", "--source_ratios=balanced"
        )
        assert rows(cells, "method", "source_density", "source_ratios") == [
            ("dense", None, None),
            ("erk", "0.4", "balanced"),
        ]

    def test_none_is_a_cell_without_a_source(self):
        cells = cells_of("--method=rigl", "--source_density=none,0.3", "--source_ratios=erk,balanced")
        assert rows(cells, "source_density", "source_ratios") == [
            (None, None),
            ("0.3", "erk"),
            ("0.3", "balanced"),
        ]
        assert len(cells_of("--method=rigl", "--source_density=none")) == 1

    def test_options_go_to_the_searches_that_have_them(self):
        cells = cells_of("--method=gmp,rigl,str", "--search_options=drop_fraction=0.1,frequency=5")
        assert rows(cells, "method", "search_options") == [
            ("gmp", "frequency=5"),
            ("rigl", "drop_fraction=0.1,frequency=5"),
            ("str", None),
        ]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--source_density=none", "--source_ratios=erk"], "--source_ratios is about a source mask: say"),
            (["--search_options=alpha=1"], "none of these methods has 'alpha=1'. They have: drop_fraction, "),
            (["--search_options=frequency=5,frequency=7"], "--search_options gives frequency twice"),
        ],
    )
    def test_what_means_nothing_to_any_cell_is_refused(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            cells_of("--method=rigl", *arguments)
