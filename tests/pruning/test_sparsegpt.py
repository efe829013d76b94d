"""Wanda and SparseGPT against an independent implementation in NumPy, and what must hold of any layer."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tests.pruning import nets
from tests.pruning import post_training_reference as reference
from tests.smallnet import fixture
from tf_tickets.layers import prunable_weights
from tf_tickets.pruning import layer_solver
from tf_tickets.pruning.layer_solver import Selection, keeping, keeping_n_of_m, solve_layer
from tf_tickets.pruning.solution import Goal, Solution
from tf_tickets.pruning.sparsegpt import sparsegpt

GOLDEN = fixture("post_training")
CASES = {"half": {"counts": 0.5}, "2:4": {"pattern": (2, 4)}, "1:4": {"pattern": (1, 4)}}
every_net = pytest.mark.parametrize("net", reference.NETS)


def built(net, dtype="float32"):
    """The fixture's net as a Keras model, and its calibration data."""
    kinds, shape, sizes = reference.NETS[net]
    inputs = x = keras.Input(shape, dtype=dtype)
    for position, (kind, (outputs, _)) in enumerate(zip(kinds, sizes, strict=True)):
        if kind == "conv":
            layer = keras.layers.Conv2D(outputs, 3, 2, "same", activation="relu", dtype=dtype)
        else:
            layer = keras.layers.Dense(outputs, "relu", dtype=dtype)
            x = keras.layers.Flatten(dtype=dtype)(x)
        x = layer(x)
        weight, bias = (GOLDEN[f"{net}/{name}/{position}"] for name in ("weight", "bias"))
        layer.set_weights([weight.T.reshape(layer.kernel.shape), bias])
    return keras.Model(inputs, x), GOLDEN[f"{net}/x"].astype(dtype)


def in_papers_layout(arrays):
    return [np.reshape(array, (-1, array.shape[-1])).T for array in arrays]


def batches_of(x):
    """The examples cut in two unequal batches."""
    return [(x[:31], np.zeros(31)), (x[31:], np.zeros(len(x) - 31))]


@pytest.mark.slow
def test_the_fixture_is_what_the_reference_makes():
    made = reference.make()
    assert made.keys() == GOLDEN.keys()
    for name, array in made.items():
        np.testing.assert_allclose(GOLDEN[name], array, rtol=1e-9, atol=1e-12)


class TestGolden:
    @every_net
    def test_wanda(self, net):
        model, x = built(net)
        scores = in_papers_layout(tt.score(model, "wanda", batches_of(x)))
        for layer, score in enumerate(scores):
            np.testing.assert_allclose(score, GOLDEN[f"{net}/wanda/score/{layer}"], rtol=2e-5, atol=1e-6)
            rows = reference.best_of_each_row(score, score.shape[1] // 2)
            np.testing.assert_array_equal(rows, GOLDEN[f"{net}/wanda/rows/{layer}"])

    @pytest.mark.slow
    @every_net
    @pytest.mark.parametrize("case", CASES)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_sparsegpt(self, net, case, dtype):
        model, x = built(net, dtype)
        goal = CASES[case]
        if "counts" in goal:
            goal = {"counts": [round(goal["counts"] * e.size) for e in prunable_weights(model)]}
        solution = sparsegpt(model, batches_of(x), Goal(**goal))
        tolerance = {"float32": 2e-4, "float64": 1e-9}[dtype]
        for layer, (mask, value) in enumerate(
            zip(in_papers_layout(solution.masks), in_papers_layout(solution.values), strict=True)
        ):
            np.testing.assert_array_equal(mask, GOLDEN[f"{net}/sparsegpt/{case}/mask/{layer}"])
            expected = GOLDEN[f"{net}/sparsegpt/{case}/weight/{layer}"]
            np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)
            assert value.dtype == dtype and not value[~mask].any()

    @pytest.mark.slow
    @every_net
    def test_the_masks_that_it_finds_give_the_same_weights(self, net):
        model, x = built(net)
        found = sparsegpt(model, batches_of(x), Goal(pattern=(2, 4)))
        again = sparsegpt(model, batches_of(x), Goal(masks=found.masks))
        nets.assert_same(again.masks, found.masks)
        nets.assert_same(again.values, found.values)


def problem(seed, inputs, outputs, examples, correlated=True):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(examples, inputs))
    if correlated:
        rows = rows @ rng.normal(size=(inputs, inputs)) + rng.normal(size=inputs)
    return rng.normal(size=(inputs, outputs)), rows


def error(rows, matrix, other):
    return float(np.square(rows @ (matrix - other)).sum())


def best(scores, keep):
    mask = np.zeros(scores.size, bool)
    mask[np.argsort(-scores.ravel(), kind="stable")[:keep]] = True
    return mask.reshape(scores.shape)


def halves(scores, first):
    return best(scores, scores.size // 2)


sizes = given(
    seed=st.integers(0, 10_000),
    inputs=st.integers(2, 24),
    outputs=st.integers(1, 6),
    examples=st.integers(1, 60),
    width=st.integers(1, 9),
)


class TestALayer:
    @pytest.mark.slow
    @sizes
    @settings(max_examples=60, deadline=None)
    def test_removed_inputs_before_the_kept_ones_are_made_up_for_by_least_squares(
        self, seed, inputs, outputs, examples, width
    ):
        matrix, rows = problem(seed, inputs, outputs, examples)
        removed = 1 + seed % (inputs - 1)
        mask = np.arange(inputs)[:, None] >= np.full(outputs, removed)
        _, solved = solve_layer(matrix, 2 * rows.T @ rows, keeping(mask))
        # The damping is a ridge on the change of the weights.
        ridge = np.sqrt(0.01 * np.square(rows).sum(0).mean()) * np.eye(inputs)
        wide = np.concatenate([rows, ridge])
        change, *_ = np.linalg.lstsq(wide[:, removed:], wide[:, :removed] @ matrix[:removed], rcond=None)
        np.testing.assert_allclose(solved[removed:], matrix[removed:] + change, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("selection", [Selection(halves, 8), keeping_n_of_m(2, 4)], ids=["half", "2:4"])
    def test_outputs_are_nearer_than_without_the_update(self, selection):
        # No theorem, where kept and removed inputs alternate: kept ones that come before are not updated.
        ratios = []
        for seed in range(40):
            matrix, rows = problem(seed, 24, 6, 60)
            mask, solved = solve_layer(matrix, 2 * rows.T @ rows, selection)
            assert not solved[~mask].any()
            ratios.append(error(rows, matrix, solved) / error(rows, matrix, matrix * mask))
        assert max(ratios) < 1 and np.median(ratios) < 0.6

    @sizes
    @settings(max_examples=30, deadline=None)
    def test_does_not_depend_on_the_lazy_batch(self, seed, inputs, outputs, examples, width):
        matrix, rows = problem(seed, inputs, outputs, examples)
        found = []
        for lazy in (1, 5, 1000):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(layer_solver, "LAZY_BATCH", lazy)
                found.append(solve_layer(matrix, 2 * rows.T @ rows, Selection(halves, width)))
        for mask, solved in found[1:]:
            np.testing.assert_array_equal(mask, found[0][0])
            np.testing.assert_allclose(solved, found[0][1], rtol=1e-6, atol=1e-8)

    @sizes
    @settings(max_examples=30, deadline=None)
    def test_of_orthonormal_inputs_is_magnitude_in_each_block(self, seed, inputs, outputs, examples, width):
        matrix, rows = problem(seed, inputs, outputs, inputs + examples)
        rows, _ = np.linalg.qr(rows)
        mask, solved = solve_layer(matrix, 2 * rows.T @ rows, Selection(halves, width))
        blocks = [halves(np.abs(matrix[i : i + width]), i) for i in range(0, inputs, width)]
        np.testing.assert_array_equal(mask, np.concatenate(blocks))
        np.testing.assert_allclose(solved, matrix * mask, atol=1e-9)

    def test_one_removal_is_the_optimal_brain_surgeons(self):
        matrix, rows = problem(0, 6, 1, 40)
        mask = np.ones((6, 1), bool)
        mask[0] = False
        _, solved = solve_layer(matrix, 2 * rows.T @ rows, keeping(mask), damping=0)
        # The best that the other weights can do is least squares.
        others, *_ = np.linalg.lstsq(rows[:, 1:], rows @ matrix, rcond=None)
        np.testing.assert_allclose(solved[1:], others, rtol=1e-6, atol=1e-9)

    def test_dead_inputs_have_weights_of_zero_and_are_removed_first(self):
        matrix, rows = problem(0, 8, 3, 40)
        rows[:, [1, 4]] = 0
        mask, solved = solve_layer(matrix, 2 * rows.T @ rows, Selection(halves, 8))
        assert not solved[[1, 4]].any() and not mask[[1, 4]].any()
        assert np.isfinite(solved).all() and mask.sum() == 12

    def test_keeps_weights_that_it_does_not_prune(self):
        matrix, rows = problem(0, 8, 3, 40)
        mask, solved = solve_layer(matrix, 2 * rows.T @ rows, keeping(np.ones((8, 3), bool)))
        assert mask.all()
        np.testing.assert_array_equal(solved, matrix)

    @pytest.mark.parametrize("inputs", [8, 10])
    def test_n_of_m_holds_in_every_group_and_the_rest_at_the_end(self, inputs):
        matrix, rows = problem(0, inputs, 5, 40)
        mask, _ = solve_layer(matrix, 2 * rows.T @ rows, keeping_n_of_m(1, 4))
        for first in range(0, inputs, 4):
            assert (mask[first : first + 4].sum(0) == 1).all()

    def test_of_equal_scores_the_earlier_input_is_kept(self):
        mask = keeping_n_of_m(2, 4).select(np.ones((4, 3)), 0)
        np.testing.assert_array_equal(mask, np.repeat([[True], [True], [False], [False]], 3, 1))

    def test_refuses_inputs_that_are_not_finite(self):
        with pytest.raises(ValueError, match="NaN or infinite"):
            solve_layer(np.ones((2, 1)), np.full((2, 2), np.nan), Selection(halves, 2))


class TestScores:
    def test_wanda_of_inputs_of_norm_one_is_magnitude(self):
        model = nets.functional((6, 4))
        scores = tt.score(model, "wanda", (np.eye(6, dtype="float32"), np.zeros(6)))
        np.testing.assert_allclose(scores[0], tt.score(model, "magnitude")[0], rtol=1e-6)

    def test_obs_is_the_least_error_that_a_removal_costs(self):
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, use_bias=False)])
        x = problem(0, 5, 1, 30)[1].astype("float32")
        (scores,) = tt.score(model, "obs", (x, np.zeros(30)), damping=0.0)
        kernel = model.layers[0].kernel.numpy()
        for i, j in np.ndindex(scores.shape):
            others = [k for k in range(5) if k != i]
            _, (left,), *_ = np.linalg.lstsq(
                x[:, others].astype(float), x @ kernel[:, j].astype(float), rcond=None
            )
            np.testing.assert_allclose(scores[i, j], left, rtol=1e-3)

    def test_inputs_that_are_always_zero_score_zero(self):
        model = nets.functional((6, 4, 3))
        x, y = nets.examples(model, 20)
        x[:, 2] = 0
        for name in ("wanda", "obs"):
            scores = tt.score(model, name, (x, y))
            assert not scores[0][2].any() and scores[0][[0, 1, 3, 4, 5]].all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of counts=, pattern= or masks="),
        ({"counts": [1], "pattern": (2, 4)}, "Received: counts, pattern"),
        ({"pattern": (5, 4)}, "n of each m inputs.* Received: 5:4"),
        ({"pattern": (0, 4)}, "Received: 0:4"),
    ],
)
def test_a_goal_is_one_that_can_be(options, message):
    with pytest.raises(ValueError, match=message):
        Goal(**options)


class TestPrune:
    """`prune` by a method that has a solver."""

    def data(self, model):
        return nets.examples(model, 40)

    @pytest.mark.slow
    @pytest.mark.parametrize("masked", [False, True])
    def test_sets_masks_and_weights_and_forgets_what_was_removed(self, masked):
        model = nets.functional()
        x, y = self.data(model)
        expected = sparsegpt(model, [(x, y)], Goal(counts=[24, 20, 8]))
        if masked:
            tt.prune(model, "random", 0.9)
        ticket = tt.prune(model, "sparsegpt", 0.5, (x, y))
        nets.assert_same(list(ticket.masks), list(expected.masks))
        nets.assert_same(nets.kernels(model), list(expected.values))
        nets.assert_same(nets.masks(model), list(ticket.masks))
        assert all(entry.mask.hidden is None for entry in tt.masked_weights(model))
        assert ticket.origin["method"] == "sparsegpt" and ticket.origin["score"] == "obs"

    def test_outputs_are_nearer_than_by_the_same_masks_alone(self):
        model = nets.functional((20, 16, 3))
        x, y = self.data(model)
        outputs = model(x).numpy()
        dense = model.get_weights()
        ticket = tt.prune(model, "sparsegpt", 0.5, (x, y))
        with_update = np.square(model(x).numpy() - outputs).sum()
        tt.fold(model).set_weights(dense)
        ticket.apply(model)
        assert with_update < 0.7 * np.square(model(x).numpy() - outputs).sum()

    @pytest.mark.slow
    def test_another_score_chooses_the_masks_and_the_weights_make_up_for_them(self):
        model, other = nets.functional(), nets.functional()
        x, y = self.data(model)
        ticket = tt.prune(model, "sparsegpt", 0.5, (x, y), score="wanda")
        plain = tt.prune(other, "wanda", 0.5, (x, y), pattern="unstructured")
        nets.assert_same(ticket.masks, plain.masks)
        solved = sparsegpt(nets.functional(), [(x, y)], Goal(masks=ticket.masks))
        nets.assert_same(nets.kernels(model), list(solved.values))

    @pytest.mark.slow
    def test_stays_inside_given_masks(self):
        model = nets.functional()
        source = tt.prune(nets.functional(), "random", 0.3)
        ticket = tt.prune(model, "sparsegpt", 0.6, self.data(model), within=source)
        assert ticket.kept == round(0.4 * ticket.total)
        assert not any((mask & ~a).any() for mask, a in zip(ticket.masks, source.masks, strict=True))

    @pytest.mark.slow
    def test_takes_other_ratios_of_layers_and_damping(self):
        x, y = self.data(nets.functional())
        ticket = tt.prune(nets.functional(), "sparsegpt", 0.5, (x, y), ratios="erk")
        counts = tt.keep_counts(nets.functional(), 0.5, ratios="erk")
        assert [layer.kept for layer in ticket.layers] == list(counts)
        model, other = nets.functional(), nets.functional()
        tt.prune(model, "sparsegpt", 0.5, (x, y), damping=10.0)
        tt.prune(other, "sparsegpt", 0.5, (x, y))
        assert not np.array_equal(nets.kernels(model)[0], nets.kernels(other)[0])

    @pytest.mark.parametrize("masked", [False, True])
    def test_an_error_on_the_way_leaves_the_model_as_it_was(self, masked, monkeypatch):
        model = nets.functional()
        x, y = self.data(model)
        if masked:
            tt.prune(model, "random", 0.5)
        before = nets.state(model)
        layers = []

        def failing(*arguments):
            layers.append(arguments)
            if len(layers) == 3:
                raise KeyboardInterrupt
            return solve_layer(*arguments)

        monkeypatch.setattr("tf_tickets.pruning.sparsegpt.solve_layer", failing)
        with pytest.raises(KeyboardInterrupt):
            tt.prune(model, "sparsegpt", 0.5, (x, y))
        after = nets.state(model)
        nets.assert_same({**after, "classes": 0}, {**before, "classes": 0})

    @pytest.mark.slow
    @pytest.mark.parametrize("step", ["masks", "weights"])
    def test_an_error_at_the_end_leaves_the_model_as_it_was(self, step, monkeypatch):
        model = nets.functional()
        data = self.data(model)
        tt.prune(model, "random", 0.5)
        before = nets.state(model)

        def failing(self, model):
            if step == "weights":
                tt.masked_weights(model)[0].weight.assign(tt.masked_weights(model)[0].weight * 2)
            raise KeyboardInterrupt

        cls = tt.Ticket if step == "masks" else Solution
        monkeypatch.setattr(cls, "apply", failing)
        with pytest.raises(KeyboardInterrupt):
            tt.prune(model, "sparsegpt", 0.5, data)
        nets.assert_same(nets.state(model), before)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"ratios": "global"}, "ratios='global' is not for a method that chooses"),
            ({"preserve_flow": True}, "preserve_flow=True is not for"),
            ({"rounds": 3}, "rounds=3 is not for"),
            ({"data": None}, "score='obs' needs data="),
            ({"temperature": 3}, "Unknown option temperature. Accepted here: .*damping"),
        ],
    )
    def test_refuses_what_it_cannot_do(self, options, message):
        model = nets.functional()
        before = nets.state(model)
        with pytest.raises(ValueError, match=message):
            tt.prune(model, "sparsegpt", 0.5, **{"data": self.data(model), **options})
        nets.assert_same(nets.state(model)["values"], before["values"])

    @pytest.mark.slow
    def test_data_that_can_be_read_once_are_read_once(self):
        model, other = nets.functional(), nets.functional()
        x, y = self.data(model)
        parts = [(x[:10], y[:10]), (x[10:], y[10:])]
        tt.prune(model, "sparsegpt", 0.5, iter(parts), score="wanda")
        tt.prune(other, "sparsegpt", 0.5, parts, score="wanda")
        nets.assert_same(nets.kernels(model), nets.kernels(other))
