"""The flagfiles: each parses in its program, and a sweep's plans exactly the runs of its experiment.

All of it without any data on disk.
"""

import dataclasses
import functools
import pathlib

import numpy as np
import pytest
from absl import flags

from tests.runs import parsed
from tf_tickets import config
from tf_tickets.data.source import generic_recipe
from tf_tickets.data.sources import find
from tf_tickets.pruning import Ticket
from tf_tickets.sweeps.axes import seeds_of
from tf_tickets.sweeps.cell import planned as planned_of
from tf_tickets.sweeps.cell import recipe_by_name
from tf_tickets.sweeps.grid import read_grid
from tf_tickets.sweeps.sweep_flags import define_flags
from tf_tickets.training.recipe import Recipe

FOLDER = pathlib.Path(__file__).parents[2] / "flags"
NAMES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("**/*.cfg"))

# One ticket each, for tf_tickets.run.
RUNS = (
    "quickstart",
    "paper/hybrid_resnet32_cifar10",
    "paper/hybrid_resnet32_cifar100",
    "paper/hybrid_vgg19_cifar10",
    "paper/hybrid_vgg19_cifar100",
    "start_sparse/paper_table_mlp",
)

# For tf_tickets.sweep: runs, different dense networks behind them, and epochs of training in all.
SWEEPS = {
    # 2 datasets, 2 models, 5 seeds; dense, and 4 methods at 3 sparsities.
    "paper/table1": (260, 20, (240 + 20) * 160),
    # 2 models, 5 seeds; dense, and 3 methods at 3 sparsities.
    "paper/table2": (100, 10, (90 + 10) * 300),
    # 2 models, 5 seeds; dense, and at 3 sparsities lt, and learning-rate rewinding with two checks.
    "paper/table3": (130, 20, (120 + 20) * 160),
    # 2 datasets, 2 models, 5 seeds; dense, and 3 methods at 3 sparsities.
    "paper/table4": (200, 20, (180 + 20) * 160),
    # 2 models, 5 seeds; 3 methods with two checks at 3 sparsities. Half of the dense see corrupted data.
    "paper/figure3": (270, 20, (270 + 20) * 160),
    "paper/figure3_cifar100": (270, 20, (270 + 20) * 160),
    # 2 models, 5 seeds; one round and five at 3 sparsities.
    "paper/iterative": (60, 10, (30 + 5 * 30 + 10) * 160),
    # 2 models, 5 seeds; 6 ratios at 3 sparsities.
    "paper/ratios": (180, 0, 180 * 160),
    # 3 seeds; dense, and 5 ratios at 5 sparsities.
    "start_sparse/paper_resnet18_cifar10": (78, 3, (75 + 3) * 160),
    "start_sparse/paper_resnet18_cifar100": (78, 3, (75 + 3) * 160),
    "start_sparse/paper_resnet50_cifar100": (78, 3, (75 + 3) * 160),
    "start_sparse/paper_resnet50_tiny_imagenet": (78, 3, (75 + 3) * 160),
    "start_sparse/paper_vgg16_cifar10": (78, 3, (75 + 3) * 160),
    # 3 seeds; 3 scores at 4 sparsities, of which lt trains a dense network first.
    "start_sparse/paper_scored_ratios_resnet18_cifar10": (36, 3, (36 + 3) * 160),
    # Dense, and 4 ratios at 3 sparsities.
    "start_sparse/paper_resnet50_imagenet": (13, 1, 13 * 100),
    # 3 seeds, of whose source masks dense networks are trained first; 16 rounds.
    "start_sparse/paper_imp_resnet18_cifar10": (3, 3, (3 * 16 + 3) * 160),
    # 2 seeds; no source, and 4 ratios of one.
    "start_sparse/paper_str_resnet18_cifar10": (10, 0, 10 * 100),
    "start_sparse/paper_str_resnet50_cifar100": (10, 0, 10 * 100),
    # 3 seeds.
    "start_sparse/paper_granet_vgg16_cifar10": (3, 0, 3 * 160),
    "start_sparse/paper_rigl_vgg16_cifar10": (3, 0, 3 * 160),
    # 2 seeds; 4 sparsities.
    "start_sparse/paper_strong_resnet18_cifar10": (8, 0, 8 * 500),
    # 5 seeds; dense, and 5 ratios at 2 sparsities; one of these with flow preserved at one.
    "start_sparse/laptop_ratios": (55, 5, (50 + 5) * 30),
    "start_sparse/laptop_flow": (5, 0, 5 * 30),
    # 5 seeds; without a source and with one: 4 methods at 2 sparsities; lt in 3 rounds; edge-popup and
    # uniform at 2 sparsities; and soft thresholds, with two sources.
    "start_sparse/laptop_search": (80, 0, 80 * 30),
    "start_sparse/laptop_imp": (10, 10, (10 * 3 + 10) * 30),
    "start_sparse/laptop_strong": (40, 0, 40 * 30),
    "start_sparse/laptop_str": (15, 0, 15 * 30),
    # 10 seeds. Controls: dense for 30 epochs and for 60, and at 3 sparsities uniform and random.
    "laptop/figure3_digits": (530, 30, 510 * 30 + 20 * 30 + 10 * 60),
    "laptop/table1_digits": (170, 20, 150 * 30 + 10 * 30 + 10 * 60),
    "laptop/table3_digits": (260, 40, 240 * 30 + 30 * 30 + 10 * 60),
    # Weight rewinding, to epoch 3, is a budget of its own: dense for 57 epochs, too.
    "laptop/table4_digits": (210, 30, (150 * 30 + 30 * 27) + 10 * 30 + 10 * 60 + 10 * 57),
    "laptop/iterative_digits": (60, 10, (30 + 3 * 30 + 10) * 30),
    "laptop/ratios_digits": (180, 0, 180 * 30),
    # The same of 5 seeds and 6 epochs, rewound to epoch 1.
    "laptop/figure3_fashion": (265, 15, 255 * 6 + 10 * 6 + 5 * 12),
    "laptop/table1_fashion": (85, 10, 75 * 6 + 5 * 6 + 5 * 12),
    "laptop/table3_fashion": (130, 20, 120 * 6 + 15 * 6 + 5 * 12),
    "laptop/table4_fashion": (105, 15, (75 * 6 + 15 * 5) + 5 * 6 + 5 * 12 + 5 * 11),
    "laptop/iterative_fashion": (30, 5, (15 + 3 * 15 + 5) * 6),
    "laptop/ratios_fashion": (90, 0, 90 * 6),
}

# A sweep inside masks with the ratios of a ticket that is to be found first.
OF_A_TICKET = "start_sparse/paper_str_induced_resnet18_cifar10"

PAPER_SWEEPS = [name for name in SWEEPS if name.startswith("paper/")]
EPOCHS = {"cifar10": 160, "cifar100": 160, "tiny_imagenet": 300}


def flags_of(name):
    values = flags.FlagValues()
    define_flags(values)
    values(["sweep", f"--flagfile={FOLDER / name}.cfg"])
    return values


def grid_of(name):
    values = flags_of(name)
    return read_grid(values, values.controls)


@functools.cache
def plan_of(name):
    """The grid of a sweep with its first seed alone, and what is planned for each of its cells."""
    values = flags_of(name)
    values["seed"].value = seeds_of(values.seed)[:1]
    grid = read_grid(values, values.controls)
    return grid, [planned_of(cell) for cell in grid.cells]


@pytest.fixture(scope="module", autouse=True)
def forgotten_plans():
    """A million objects."""
    yield
    plan_of.cache_clear()


def test_every_flagfile_is_told_of_here():
    assert sorted([*RUNS, *SWEEPS, OF_A_TICKET]) == NAMES


@pytest.mark.parametrize("name", RUNS)
def test_a_flagfile_of_one_run_parses(name):
    with parsed(f"--flagfile={FOLDER / name}.cfg") as values:
        config.check_flags(values)
        # Only the data tell the recipe of a table.
        config.plan_config(values, find(values.dataset)[0].recipe or generic_recipe((16,)))


@pytest.mark.parametrize("name", [name for name in RUNS if name.startswith("paper/")])
def test_the_papers_flagfiles_of_one_run_have_its_settings(name):
    """Section 3 of the specification: batch 64, lr 0.1 dropped tenfold at 80 and 120 of 160 epochs."""
    with parsed(f"--flagfile={FOLDER / name}.cfg") as values:
        planned = config.plan_config(values, find(values.dataset)[0].recipe)
        check_papers_settings(planned.dataset, planned.recipe)
        assert name.endswith(f"hybrid_{planned.recipe.model}_{planned.dataset}")
        assert (planned.method, planned.sparsity) == ("hybrid", 0.98)


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEEPS)
def test_a_flagfile_of_a_sweep_plans_the_runs_of_its_experiment(name):
    """Which are those of its first seed, for each of its seeds: that this is so is looked at below."""
    found, planned = plan_of(name)
    seeds = len(seeds_of(flags_of(name).seed))
    dense = {str(x.dense_identity): x.recipe.epochs for x in planned if x.pretrains}
    sparse = sum(len(x.retraining_epochs) * x.trained_rounds for x in planned)
    numbers = (len(planned), len(dense), sparse + sum(dense.values()))
    assert tuple(seeds * number for number in numbers) == SWEEPS[name]
    assert len({str(x.identity) for x in planned}) == len(planned), "no run is asked for twice"
    assert not found.silent, "no check is asked for in vain"


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPER_SWEEPS)
def test_the_papers_sweeps_have_its_settings(name):
    """They are those of the datasets' own recipes, too."""
    grid, runs = plan_of(name)
    recipes = {(x.dataset, x.recipe): cell for x, cell in zip(runs, grid.cells, strict=True)}
    for (dataset, recipe), cell in recipes.items():
        check_papers_settings(dataset, recipe)
        assert recipe == dataclasses.replace(recipe_by_name(cell), model=recipe.model)
        assert recipe.model in ("vgg19", "resnet32")
    for planned in runs:
        assert planned.sparsity in ((0,) if planned.method == "dense" else (0.9, 0.95, 0.98))


def check_papers_settings(dataset: str, recipe: Recipe) -> None:
    epochs = EPOCHS[dataset]
    assert recipe.epochs == epochs
    assert (recipe.batch_size, recipe.optimizer, recipe.weight_decay) == (64, "sgd", 1e-4)
    assert (recipe.momentum, recipe.nesterov) == (0.9, False)
    assert (recipe.width, recipe.augment, recipe.warmup_epochs) == (1.0, True, 0)
    rates = [recipe.learning_rate_at(epoch) for epoch in range(epochs)]
    half, quarter = epochs // 2, epochs // 4
    assert rates == pytest.approx([0.1] * half + [0.01] * quarter + [0.001] * quarter)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model", "batch_size", "nesterov", "weight_decay", "rates"),
    [
        # The rates of epochs 0, 79, 80, 120 and 160, which is the floor.
        ("resnet18_cifar10", "resnet18_cifar", 256, False, 1e-4, [0.1, 0.0559, 0.055, 0.0232, 0.01]),
        ("resnet50_cifar100", "resnet50_cifar", 256, False, 1e-3, [0.1, 0.0559, 0.055, 0.0232, 0.01]),
        (
            "scored_ratios_resnet18_cifar10",
            "resnet18_cifar",
            256,
            False,
            1e-4,
            [0.1, 0.0559, 0.055, 0.0232, 0.01],
        ),
        ("vgg16_cifar10", "vgg16", 100, True, 5e-4, [0.1, 0.1, 0.01, 0.001, 0.001]),
    ],
)
def test_random_masks_from_scratch_have_the_recipes_of_the_official_code(
    name, model, batch_size, nesterov, weight_decay, rates
):
    _, cells = plan_of(f"start_sparse/paper_{name}")
    (recipe,) = {planned.recipe for planned in cells}
    assert (recipe.model, recipe.width, recipe.epochs, recipe.augment) == (model, 1.0, 160, True)
    assert (recipe.batch_size, recipe.optimizer, recipe.momentum) == (batch_size, "sgd", 0.9)
    assert (recipe.nesterov, recipe.weight_decay, recipe.label_smoothing) == (nesterov, weight_decay, 0)
    assert [recipe.learning_rate_at(e) for e in (0, 79, 80, 120, 160)] == pytest.approx(rates, abs=1e-4)
    for planned in cells:
        assert planned.dataset == name.split("_")[-1]
        assert planned.preserve_flow == (model == "vgg16" and planned.method != "dense")


@pytest.mark.parametrize(
    ("name", "changes", "places", "rates"),
    [
        # Levels of 100 epochs; the rates of epochs 28, 29, 59, 89 and 100.
        ("strong_resnet18_cifar10", {"epochs": 500}, (28, 29, 59, 89, 100), [0.1, 0.01, 1e-3, 1e-4, 0.1]),
        ("granet_vgg16_cifar10", {"epochs": 160}, (79, 80, 120), [0.1, 0.01, 0.001]),
        ("rigl_vgg16_cifar10", {"epochs": 160}, (79, 80, 120), [0.1, 0.01, 0.001]),
        # A warm-up of 5 epochs, and a cosine over the 95 that are left.
        ("str_resnet18_cifar10", {"weight_decay": 1e-3}, (0, 4, 5, 50), [0.02, 0.1, 0.1, 0.05413]),
        ("str_resnet50_cifar100", {"weight_decay": 1e-3}, (0, 4, 5, 50), [0.02, 0.1, 0.1, 0.05413]),
        ("resnet50_imagenet", {"momentum": 0.875}, (0, 4, 5, 50), [0.0512, 0.256, 0.256, 0.13857]),
    ],
)
def test_searches_and_warm_ups_have_the_rates_of_the_official_code(name, changes, places, rates):
    cell = grid_of(f"start_sparse/paper_{name}").cells[0]
    recipe = planned_of(cell).recipe
    assert {field: getattr(recipe, field) for field in changes} == changes
    assert [recipe.learning_rate_at(place) for place in places] == pytest.approx(rates, abs=5e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        # Epoch 110 of 160; to the end, to 0.005.
        ("granet", {"frequency": 1000, "until": 110 / 160}),
        ("rigl", {"frequency": 1000, "drop_fraction": 0.5, "drop_schedule": "cosine_floor", "until": 1}),
    ],
)
def test_masks_move_as_long_as_in_the_official_code(name, options):
    planned = planned_of(grid_of(f"start_sparse/paper_{name}_vgg16_cifar10").cells[0])
    assert planned.method == name and planned.search_options == options
    assert planned.all_search_options["drop_fraction"] == 0.5
    assert planned.free_growth or planned.source_density is None


@pytest.mark.slow
def test_ratios_induced_by_a_search_are_those_of_its_ticket(tmp_path, monkeypatch):
    masks = [np.arange(100) < keep for keep in range(1, 22)]  # ResNet18 has 21 layers
    Ticket(tuple(masks), tuple(f"layer {place}" for place in range(21))).save(tmp_path / "str_ticket.npz")
    monkeypatch.chdir(tmp_path)
    planned = [planned_of(cell) for cell in grid_of(OF_A_TICKET).cells]
    assert [(x.method, x.source_density, x.seed) for x in planned] == [("str", 0.2, 2), ("str", 0.2, 3)]
    assert planned[0].source_ratios == pytest.approx([keep / 100 for keep in range(1, 22)])


def test_random_masks_on_imagenet_have_the_recipe_of_the_dataset():
    grid, runs = plan_of("start_sparse/paper_resnet50_imagenet")
    for cell, planned in zip(grid.cells, runs, strict=True):
        assert planned.recipe == recipe_by_name(cell)


@pytest.mark.slow
def test_table_3_trains_each_dense_network_once():
    """Not once for each of the 130 runs, which all start from one."""
    planned = [planned_of(cell) for cell in grid_of("paper/table3").cells]
    assert sum(x.pretrains for x in planned) == 130
    assert sorted({x.seed for x in planned}) == [0, 1, 2, 3, 4]
    assert len({str(x.identity) for x in planned}) == 130
    clean, shuffled, halved = (
        {str(x.dense_identity) for x in planned if x.sanity_check == check}
        for check in (None, "shuffle_weights", "half_dataset_in_order")
    )
    assert len(clean) == len(halved) == 10
    assert clean == shuffled and not clean & halved
