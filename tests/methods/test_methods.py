"""One contract for every row of METHODS: its columns agree, and `prune` does what they say."""

import dataclasses
import importlib
import inspect
import pickle

import keras
import numpy as np
import pytest

import tests.nets
import tf_tickets as tt
from tests.pruning import nets
from tests.pruning.nets import assert_same
from tf_tickets.layers import stock_weights
from tf_tickets.methods.searches import check_options
from tf_tickets.methods.table import INIT, METHODS, REWOUND, TRAINED, Method, method_row
from tf_tickets.pruning import RATIOS, SCORES

NETS = {"functional": nets.functional, "convolutional": nets.convolutional}
every_row = pytest.mark.parametrize("name", sorted(METHODS))
# Rows whose ticket `prune` draws; the others find theirs while the model trains, see test_searches.py.
every_ticket_row = pytest.mark.parametrize("name", sorted(x for x in METHODS if METHODS[x].search is None))
SEARCHES = sorted(name for name, row in METHODS.items() if row.search is not None)


def one_of_each(*columns):
    """A row for each combination of these columns that rows which prune have."""
    rows = {
        tuple(getattr(row, column) for column in columns): name
        for name, row in METHODS.items()
        if row.prunes and row.search is None
    }
    return pytest.mark.parametrize("name", sorted(rows.values()))


# What a model goes through beside scoring depends on these alone.
every_way = one_of_each("scored_at", "start_from", "solver")


class Trained:
    """A network that has been compiled, fitted and asked for predictions, and its weights of before."""

    def __init__(self, net):
        self.model = NETS[net]()
        self.init = self.model.get_weights()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        # Whether what was traced before follows the masks is asked of one.
        eager = net != "functional"
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        self.model.compile(optimizer, loss, jit_compile=False, run_eagerly=eager)
        self.x, self.y = nets.examples(self.model, 8)
        self.fit()
        self.model.predict(self.x, verbose=0)
        self.trained = self.model.get_weights()

    def fit(self):
        self.model.fit(self.x, self.y, epochs=2, verbose=0)

    def back(self, masked=False):
        """The same model, trained again, without masks or with such as hide nothing, which is cheaper."""
        if masked:
            tt.mask_layers(self.model)
            for entry in tt.masked_weights(self.model):
                entry.mask.set(np.ones(entry.shape, bool))
            for weight, value in zip(stock_weights(self.model), self.trained, strict=True):
                weight.assign(value)
        else:
            tt.fold(self.model).set_weights(self.trained)
        return self


@pytest.fixture(scope="module")
def networks():
    return {net: Trained(net) for net in NETS}


def target(name):
    return 0.8 if METHODS[name].prunes else 0


def arguments(name, network):
    return {
        "sparsity": target(name),
        "init_weights": network.init,
        "seed": 3,
        "data": (network.x, network.y),
    }


def in_few_rounds(name, network):
    """As `arguments`, where it does not matter how many rounds a score takes by itself."""
    rounds = min(2, SCORES[METHODS[name].score].rounds)
    return {**arguments(name, network), "rounds": rounds}


class TestColumns:
    @every_row
    def test_hold_accepted_values(self, name):
        row = METHODS[name]
        assert row.score in SCORES
        assert row.ratios == "global" or row.ratios in RATIOS
        assert row.scored_at in (INIT, TRAINED)
        assert row.start_from in (INIT, REWOUND, TRAINED)
        assert row.schedule in ("full", "rest", "last", "none")
        assert row.classifier_keep is None or 0 < row.classifier_keep <= 1

    @every_row
    def test_agree_with_each_other(self, name):
        row = METHODS[name]
        if row.scored_at == INIT:
            assert row.start_from == INIT, "there is no training to start from"
        if row.start_from == REWOUND:
            assert row.schedule == "rest", "epoch k's weights go with the schedule from epoch k on"
        if row.schedule == "rest":
            assert row.start_from == REWOUND
        assert row.prunes or not row.retrains, "the whole network is trained once"
        if not row.retrains:
            assert row.start_from == TRAINED, "what is not retrained has to be trained already"
        assert row.pretrains == (row.scored_at == TRAINED)
        assert row.rewinds == (row.pretrains and row.start_from != TRAINED)
        if row.ratios != "global" and row.prunes:
            assert row.classifier_keep in (None, 0.3)

    @every_row
    def test_say_in_one_line_what_the_method_is(self, name):
        about = METHODS[name].about
        assert about and "\n" not in about and len(about) < 110
        assert about[0].islower() and about[-1] != "."

    def test_no_two_rows_are_the_same(self):
        columns = [field.name for field in dataclasses.fields(Method) if field.name != "about"]
        rows = [tuple(getattr(row, column) for column in columns) for row in METHODS.values()]
        assert all(rows.count(row) == 1 for row in rows)
        assert len({row.about for row in METHODS.values()}) == len(METHODS)

    def test_of_the_papers_methods(self):
        def columns(name):
            row = METHODS[name]
            return (row.score, row.ratios, row.scored_at, row.start_from, row.schedule)

        assert columns("random") == ("random", "smart", "init", "init", "full")
        assert columns("lt") == ("magnitude", "global", "trained", "init", "full")
        assert columns("weight_rewinding") == ("magnitude", "global", "trained", "rewound", "rest")
        assert columns("lr_rewinding") == ("magnitude", "global", "trained", "trained", "full")
        assert columns("hybrid") == ("magnitude", "smart", "trained", "trained", "full")
        assert columns("finetune") == ("magnitude", "global", "trained", "trained", "last")

    def test_no_method_is_a_branch_anywhere(self):
        from tf_tickets.pruning import budget, draw, quota

        for module in (budget, draw, quota, importlib.import_module("tf_tickets.methods.prune")):
            source = inspect.getsource(module)
            assert not any(f'== "{name}"' in source for name in METHODS)


def assert_in_place_to_the_unit(name, network):
    ticket = tt.prune(network.model, name, **arguments(name, network))
    total = sum(kernel.size for kernel in nets.kernels(network.model))
    assert (ticket.kept, ticket.total) == (round(total * (1 - target(name))), total)
    assert_same(nets.masks(network.model), list(ticket.masks))
    assert ticket.origin["method"] == name and ticket.origin["seed"] == 3
    start = network.trained if METHODS[name].start_from == TRAINED else network.init
    if METHODS[name].solver is None:
        # Where retraining begins.
        assert_same(nets.values(network.model), start)
    else:
        # Kept weights have made up for the others; biases and statistics stay.
        kernels = {kernel.shape for kernel in nets.kernels(network.model)}
        values = zip(nets.values(network.model), start, strict=True)
        assert_same(*zip(*((a, b) for a, b in values if a.shape not in kernels), strict=True))
        assert not any(k[~m].any() for k, m in zip(nets.kernels(network.model), ticket.masks, strict=True))


class TestEveryMethod:
    @pytest.mark.slow
    @every_ticket_row
    def test_prunes_a_fitted_model_in_place_to_the_unit(self, name, networks):
        assert_in_place_to_the_unit(name, networks["functional"].back())

    @pytest.mark.slow
    @every_way
    def test_and_a_convolutional_one(self, name, networks):
        assert_in_place_to_the_unit(name, networks["convolutional"].back())

    @pytest.mark.slow
    @every_ticket_row
    def test_scores_the_weights_that_its_row_says(self, name, networks):
        network = networks["functional"].back(masked=True)
        seen = []

        def watching(model, batches, rng):
            seen.extend(nets.values(model))
            return [np.abs(kernel) for kernel in nets.kernels(model)]

        row = METHODS[name]
        fields = {field: getattr(row, field) for field in row.__dataclass_fields__}
        tt.prune(network.model, Method(**{**fields, "score": watching}), **arguments(name, network))
        assert_same(seen, network.init if row.scored_at == INIT else network.trained)

    @pytest.mark.slow
    @one_of_each("solver")
    def test_predictions_and_training_follow_the_masks_without_compiling_again(self, name, networks):
        network = networks["functional"].back()
        model = network.model
        ticket = tt.prune(model, name, **in_few_rounds(name, network))

        def assert_predicts_as_the_sparse_network():
            sparse = nets.functional()
            sparse.set_weights(nets.values(model))
            for layer, mask in zip(sparse.layers[1:], ticket.masks, strict=True):
                layer.kernel.assign(layer.kernel * mask)
            expected = sparse(network.x).numpy()
            np.testing.assert_allclose(model.predict(network.x, verbose=0), expected, atol=1e-6)

        assert_predicts_as_the_sparse_network()
        before = nets.kernels(model)
        network.fit()
        assert_predicts_as_the_sparse_network()
        assert any(
            np.any(new[mask] != old[mask])
            for old, new, mask in zip(before, nets.kernels(model), ticket.masks, strict=True)
        )

    @pytest.mark.slow
    @one_of_each("score", "scored_at")
    def test_the_ticket_is_that_of_all_the_weights_and_of_the_seed(self, name, networks):
        network = networks["functional"]
        fresh = tt.prune(network.back(masked=True).model, name, **in_few_rounds(name, network))
        tests.nets.hide(network.back(masked=True).model, keep=0.05)
        again = tt.prune(network.model, name, **in_few_rounds(name, network))
        assert_same(again.masks, fresh.masks)
        assert again.origin == fresh.origin
        if METHODS[name].score in ("snip", "synflow"):  # whose gradients no seed reaches
            return
        other = tt.prune(network.back(masked=True).model, name, **{**in_few_rounds(name, network), "seed": 1})
        same = all(np.array_equal(a, b) for a, b in zip(other.masks, fresh.masks, strict=True))
        assert same == (METHODS[name].score not in ("random", "grasp", "obd"))

    @pytest.mark.slow
    @pytest.mark.parametrize("name", [name for name, row in METHODS.items() if row.rewinds])
    def test_needs_weights_to_rewind_to_if_it_rewinds(self, name, networks):
        network = networks["functional"].back(masked=True)
        before = nets.state(network.model)
        with pytest.raises(ValueError, match=f"method='{name}' retrains from the .* pass init_weights="):
            tt.prune(network.model, name, target(name))
        assert_same(nets.state(network.model), before)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["hybrid", "er", "sparsegpt"])
    def test_needs_none_otherwise(self, name, networks):
        network = networks["functional"].back(masked=True)
        before = nets.values(network.model)
        tt.prune(network.model, name, target(name), data=(network.x, network.y))
        assert (METHODS[name].solver is None) == all(map(np.array_equal, nets.values(network.model), before))

    @pytest.mark.slow
    @every_way
    @pytest.mark.parametrize("where", ["score", "assign"])
    def test_an_error_leaves_the_model_as_it_was(self, name, where, networks, monkeypatch):
        network = networks["functional"].back(masked=True)
        tt.prune(network.model, "random", 0.5, seed=11)
        before = nets.state(network.model)

        def broken(*args, **kwargs):
            raise KeyboardInterrupt

        if where == "score":
            monkeypatch.setitem(SCORES, METHODS[name].score, type(SCORES["random"])(function=broken))
        else:
            monkeypatch.setattr(tt.Ticket, "apply", broken)
        with pytest.raises(KeyboardInterrupt):
            tt.prune(network.model, name, **in_few_rounds(name, network))
        assert_same(nets.state(network.model), before)

    @pytest.mark.slow
    @one_of_each("ratios", "classifier_keep")
    def test_reference_rounding_is_within_a_few_weights(self, name, networks):
        network, ratios = networks["functional"].back(masked=True), METHODS[name].ratios
        if ratios != "global" and RATIOS[ratios].reference is None:
            with pytest.raises(ValueError, match=f"ratios='{ratios}' has no reference rounding"):
                tt.prune(network.model, name, rounding="reference", **arguments(name, network))
            return
        pattern = "unstructured"  # which are exact, and a method may have one of its own
        given = {**arguments(name, network), "pattern": pattern, "rounds": 1}
        ticket = tt.prune(network.model, name, rounding="reference", **given)
        assert -4 <= ticket.kept - round(ticket.total * 0.2) <= 1


class TestSearchingMethods:
    """Their masks are found while the model trains, so that there is no ticket for `prune` to draw."""

    @pytest.mark.parametrize("name", SEARCHES)
    def test_prune_says_what_to_do_instead(self, name):
        model = nets.functional()
        before = nets.state(model)
        with pytest.raises(ValueError, match=f"method='{name}' finds its masks while the model trains") as e:
            tt.prune(model, name, 0.5)
        assert METHODS[name].search.library in str(e.value)
        assert_same(nets.state(model), before)

    @pytest.mark.parametrize("name", SEARCHES)
    def test_options_are_checked_by_name(self, name):
        with pytest.raises(ValueError, match=f"--search_options: {name} has no option momentum. It has: "):
            check_options(name, METHODS[name].search, {"momentum": 0.9})
        check_options(name, METHODS[name].search, METHODS[name].search.options)


class TestDense:
    """The baseline keeps every weight."""

    @pytest.mark.slow
    @pytest.mark.parametrize("rounding", ["exact", "reference"])
    def test_keeps_all(self, rounding):
        ticket = tt.prune(nets.functional(), "dense", 0, rounding=rounding)
        assert (ticket.kept, ticket.sparsity) == (103, 0)

    def test_has_no_sparsity(self):
        model = nets.functional()
        before = nets.state(model)
        with pytest.raises(
            ValueError, match=r"method='dense' keeps every weight: sparsity is 0. Received: 0.5"
        ):
            tt.prune(model, "dense", 0.5)
        assert_same(nets.state(model), before)


class TestRows:
    """A row is a value: it can be put into sets, and sent to other processes."""

    @pytest.mark.parametrize("name", sorted(METHODS))
    def test_can_be_hashed_and_sent(self, name):
        row = METHODS[name]
        assert hash(row) == hash(dataclasses.replace(row))
        assert pickle.loads(pickle.dumps(row)) == row

    def test_a_solver_is_a_function(self):
        with pytest.raises(ValueError, match=r"A method's solver is a function, or None. Received: 'obs'"):
            dataclasses.replace(METHODS["sparsegpt"], solver="obs")

    @pytest.mark.parametrize("search", ["rigl", 3, {}])
    def test_a_search_is_no_name(self, search):
        with pytest.raises(ValueError, match=r"A method's search is a Search, or None. Received: "):
            dataclasses.replace(METHODS["er"], search=search)


class TestRowOf:
    def test_a_name(self):
        assert all(method_row(name) is row for name, row in METHODS.items())

    def test_a_method_of_ones_own(self):
        mine = Method("magnitude", "uniform", TRAINED, TRAINED, "full", "mine")
        assert method_row(mine) is mine

    @pytest.mark.parametrize("method", ["lottery", "", None, 3, ["lt"], Method])
    def test_an_unknown_one(self, method):
        with pytest.raises(
            ValueError, match=r"method=.* is unknown.* Choose one of: dense, random, .*finetune, .*edge_popup"
        ):
            method_row(method)

    @pytest.mark.parametrize(
        ("column", "value"),
        [("scored_at", "end"), ("scored_at", "rewound"), ("start_from", "epoch 3"), ("schedule", None)],
    )
    def test_columns_of_ones_own_are_checked(self, column, value):
        columns = {
            "score": "random",
            "ratios": "smart",
            "scored_at": "init",
            "start_from": "init",
            "schedule": "full",
            "about": "mine",
        }
        with pytest.raises(ValueError, match=f"A method's {column} is one of .* Received: {value!r}"):
            Method(**{**columns, column: value})
