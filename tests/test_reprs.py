"""What a bare expression prints, in a shell or a notebook, is short: no arrays, a few lines at most."""

import dataclasses
import importlib
import inspect

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests.reporting import synthetic
from tf_tickets import config, exporting, laboratory, results
from tf_tickets.layers import passed_over, prunable_weights, slots_of, unpruned_weights
from tf_tickets.programs.run_result import RunResult, RunResults
from tf_tickets.support.short_reprs import ShortList, ShortTuple

MOST = 500
ROOMS = (
    "",
    "callbacks",
    "data",
    "layers",
    "models",
    "pruning",
    "sanity",
    "sparse_training",
    "theory",
    "training",
)
DEEP = 30


def public():
    for room in ROOMS:
        module = importlib.import_module(f"tf_tickets.{room}".rstrip("."))
        for name in module.__all__:
            yield f"{room}.{name}".lstrip("."), getattr(module, name)


PUBLIC = dict(public())
TABLES = {name: value for name, value in PUBLIC.items() if isinstance(value, dict)}


def deep():
    """Of many layers with long names, each too small for anything to be collapsed."""
    inputs = x = keras.Input((4,))
    for place in range(DEEP):
        x = keras.layers.Dense(4, use_bias=place == 0, name=f"a_block_with_a_long_name_{place}_dense")(x)
    return keras.Model(inputs, x, name="deep")


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """Name -> what a user gets to see."""
    shapes = [(300, 400)] * DEEP
    small = keras.Sequential([keras.Input((4,)), keras.layers.Dense(50), keras.layers.Dense(3)])
    small.compile("adam", "mse")
    small.optimizer.build(small.trainable_variables)
    wide = tt.pruning.Ticket(tuple(np.ones(shape, bool) for shape in shapes), tuple(map(str, range(DEEP))))
    model = deep()
    report = tt.mask_layers(model)
    ticket = tt.prune(small, "magnitude", 0.5)
    folder = tmp_path_factory.mktemp("runs")
    synthetic.paper(folder, sparsities=(0.98,), seeds=4, methods=("snip",))
    digits = tt.data.load("digits")
    experiment = results.experiments(results.load(folder))[0]
    verdicts = tuple(results.verdicts(experiment))
    run = experiment.runs[0]
    settings = config.Config.from_json(run.config)
    finished = RunResult(run.result, settings, None)
    return {
        "mask_layers": report,
        "left_alone": report.left_alone,
        "masked_weights": tt.masked_weights(model),
        "entry": report.masked[0],
        "mask": report.masked[0].mask,
        "prunable_weights": prunable_weights(deep()),
        "unpruned_weights": unpruned_weights(small, prunable_weights(small))[0],
        "passed_over": passed_over(model),
        "slot": slots_of(small.optimizer, [small.layers[0].kernel])[0][0],
        "classifiers": tt.layers.classifiers_of(model, report.masked),
        "score": tt.score(model, "magnitude"),
        "rounds": tt.score(small, "synflow", rounds=2, sparsity=0.5),
        "keep_counts": tt.keep_counts(shapes, 0.9),
        "keep_densities": tt.pruning.keep_densities(shapes, 0.9),
        "budgets": tt.pruning.plan_budgets(small, "random", tt.pruning.Quota(sparsity=0.5, ratios="smart"))[
            0
        ],
        "quota": tt.pruning.Quota(sparsity=0.5, ratios="smart"),
        "goal": tt.pruning.Goal(masks=[np.ones((200, 200), bool)]),
        "solution": tt.pruning.Solution((np.ones((200, 200), bool),), (np.ones((200, 200)),)),
        "path_counts": tt.pruning.path_counts(small, ticket.masks),
        "ticket": wide,
        "masks": wide.masks,
        "ticket.layers": wide.layers,
        "ticket.layer": wide.layers[0],
        "overlap": wide.compare(wide),
        "overlap.layers": wide.compare(wide).layers,
        "summary": tt.summary(model, paths=False),
        "summary.rows": tt.summary(model, paths=False).rows,
        "summary.row": tt.summary(model, paths=False).rows[0],
        "summary.unpruned": tt.summary(small, paths=False).unpruned,
        "unpruned": tt.summary(small, paths=False).unpruned[0],
        "rearranged": tt.sanity.rearranged(wide.masks),
        "thresholds": tt.sparse_training.soft_threshold(deep()),
        "dataset": digits,
        "examples": digits.splits["train"],
        "recipe": digits.recipe,
        "preprocessing": digits.preprocessing,
        "embedding": tt.theory.embed_target(_target(), 0.9),
        "subset_sum": tt.theory.subset_sum(0.5, np.linspace(0, 1, 12)),
        "widths": tt.theory.er_widths([10] * 20, 0.5, 0.1),
        "frequency": tt.theory.Frequency(3, 4),
        "comparison": verdicts[0].comparison,
        "config": settings,
        "run": run,
        "runs": ShortList(experiment.runs),
        "experiment": experiment,
        "setting": experiment.setting,
        "arm": next(iter(experiment.arms)),
        "variant": experiment.variants[0],
        "verdict": verdicts[0],
        "findings": laboratory.Findings(verdicts, (), {}, {}, (), results.Analysis()),
        "run_result": finished,
        "sweep": RunResults([finished] * 50),
        "exported": exporting.Exported(folder / "x", "keras", 10, 5),
        "verification": exporting.Verification(0.0, [((3, 3, 64, 64), 1000)] * DEEP),
        "trainer": tt.training.Trainer(small, keras.optimizers.SGD()),
        "gmp": tt.callbacks.GradualMagnitudePruning(0.5),
        "imp": tt.callbacks.IterativeMagnitudePruning(0.5, 2, 2),
    }


def _target():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(2)])


@pytest.mark.slow
def test_everything_is_short_and_shows_no_array(things):
    long = {name: len(repr(thing)) for name, thing in things.items() if len(repr(thing)) > MOST}
    assert not long
    arrays = [name for name, thing in things.items() if "array(" in repr(thing) or "value=" in repr(thing)]
    assert not arrays


@pytest.mark.slow
def test_every_public_dataclass_is_looked_at(things):
    rows = {type(row) for table in TABLES.values() for row in table.values()}
    seen = {type(thing) for thing in things.values()} | rows
    unseen = [
        name
        for name, value in PUBLIC.items()
        if inspect.isclass(value) and dataclasses.is_dataclass(value) and value not in seen
    ]
    assert not unseen, "give the fixture one of each"


@pytest.mark.parametrize("name", TABLES)
def test_tables_show_their_names_and_rows_are_short(name):
    table = TABLES[name]
    assert len(repr(table)) <= MOST and repr(next(iter(table))) in repr(table)
    assert not [key for key, row in table.items() if len(repr(row)) > MOST]


@pytest.mark.slow
def test_a_notebook_shows_tables(things):
    for name in (
        "mask_layers",
        "masked_weights",
        "ticket",
        "overlap",
        "summary",
        "findings",
        "run_result",
        "sweep",
    ):
        shown = things[name]._repr_html_()
        assert shown.startswith("<table>") and "array(" not in shown, name


class TestShortSequences:
    def test_are_lists_and_tuples(self):
        assert ShortList([1, 2]) == [1, 2] and ShortTuple((1, 2)) == (1, 2)
        assert (
            repr(ShortList([1, 2])) == "[1, 2]"
            and repr(ShortTuple([1])) == "(1,)"
            and repr(ShortList()) == "[]"
        )

    def test_say_how_many_are_left_out(self):
        numbers = ShortList(range(100_000, 101_000))
        shown = repr(numbers)
        assert len(shown) < MOST and shown.startswith("[100000, 100001, ")
        listed, more = shown[1:-1].split(", ... and ")
        assert len(listed.split(", ")) + int(more.removesuffix(" more")) == 1000

    def test_show_arrays_by_type_and_shape(self):
        assert repr(ShortList([np.zeros((3, 4), "float32")])) == "[<float32 (3, 4)>]"
