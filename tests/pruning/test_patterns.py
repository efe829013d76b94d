"""Patterns: masks in blocks, in windows, by whole outputs, or with as many weights of every output."""

import dataclasses
import functools
import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tf_tickets.layers import prunable_weights
from tf_tickets.methods.table import METHODS
from tf_tickets.pruning import SCORES, Quota, draw_ticket
from tf_tickets.pruning.channels import Channels
from tf_tickets.pruning.pattern_names import pattern_of
from tf_tickets.pruning.patterns import layouts_of
from tf_tickets.pruning.unit_layouts import Blocks, EvenOutputs, Layout, Windows

PLAIN = Channels((-2,), (-1,))
X = np.random.default_rng(0).normal(size=(12, 6, 6, 3)).astype("float32")
Y = np.arange(12) % 5


@functools.cache
def shared():
    """A small net that has masks, and its weights: each ticket is drawn from all of them."""
    model = small_net()
    init = model.get_weights()
    tt.mask_layers(model)
    return model, init


def small_net():
    """Convolutions whose channels are no multiples of four, a sum, and a classifier."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(10, 3, padding="same", activation="relu", name="free")(inputs)
    one = keras.layers.Conv2D(7, 3, padding="same", name="tied")(x)
    other = keras.layers.Conv2D(7, 1, name="shortcut")(x)
    x = keras.layers.Add()([one, other])
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(9, activation="relu", name="hidden")(x)
    return keras.Model(inputs, keras.layers.Dense(5, activation="softmax", name="head")(x))


class TestNames:
    @pytest.mark.parametrize(
        ("written", "name"),
        [
            ("4x1", "4x1"),
            ("block(4,1)", "4x1"),
            ("block(2, 8)", "2x8"),
            ("2:4", "2:4"),
            ("channel", "channel"),
        ],
    )
    def test_are_one_for_all_ways_to_write_it(self, written, name):
        assert str(pattern_of(written)) == name

    @pytest.mark.parametrize("written", ["5:4", "0:4", "0x1", "rows", "4*1", "", 4, "2:4 "])
    def test_others_are_refused(self, written):
        with pytest.raises(ValueError, match=r"is unknown. Choose 4x1 or block\(4,1\)"):
            pattern_of(written)


class TestBlocks:
    def test_are_outputs_by_inputs(self):
        layout = Blocks((3, 8), PLAIN, 4, 1)
        kept = np.zeros((1, 3, 2), bool)
        kept[0, 1, 0] = True
        assert np.argwhere(layout.mask(kept)).tolist() == [[1, 0], [1, 1], [1, 2], [1, 3]]

    def test_the_last_one_is_what_is_left(self):
        layout = Blocks((2, 3, 5, 10), PLAIN, 4, 2)
        assert layout.size == 2 * 3 * 3 * 3
        last = np.zeros((6, 3, 3), bool)
        last[-1, -1, -1] = True
        assert np.argwhere(layout.mask(last)).tolist() == [[1, 2, 4, 8], [1, 2, 4, 9]]

    def test_score_the_sum_of_their_members(self):
        scores = np.arange(12, dtype="float32").reshape(2, 6)
        assert Blocks((2, 6), PLAIN, 4, 1).scores(scores, False)[0].tolist() == [[6.0, 9.0], [30.0, 21.0]]

    def test_random_ones_do_not_favour_whole_blocks(self):
        """Each block is kept as often as another, the smaller last one too."""
        layout, rng = Blocks((1, 5), PLAIN, 4, 1), np.random.default_rng(0)
        first = [np.argmax(layout.scores(rng.random((1, 5)), True)[0, 0]) for _ in range(400)]
        assert 160 < sum(first) < 240

    @pytest.mark.slow
    @given(
        st.lists(st.integers(1, 6), min_size=1, max_size=4),
        st.integers(1, 5),
        st.integers(1, 5) | st.none(),
        st.integers(0, 2**31),
    )
    @settings(max_examples=60)
    def test_masks_are_made_of_whole_ones_and_nothing_is_lost(self, shape, outputs, inputs, seed):
        channels = PLAIN if len(shape) > 1 else Channels((-1,), (-1,))
        layout = Blocks(tuple(shape), channels, outputs, inputs)
        assert layout.mask(np.ones(layout._counts, bool)).all()
        kept = np.random.default_rng(seed).random(layout._counts) < 0.5
        mask = layout.mask(kept)
        assert mask.shape == tuple(shape)
        assert (layout.inside(mask) == kept).all()
        assert layout.scores(mask.astype("float32"), False)[~kept].sum() == 0


class TestMatrices:
    @given(st.permutations(range(4)), st.integers(0, 4), st.integers(0, 2**31))
    @settings(max_examples=40)
    def test_there_and_back(self, axes, cut, seed):
        channels = Channels(tuple(axes[:cut]), tuple(axes[cut : cut + 1]) or (axes[0],))
        layout = Layout((2, 3, 4, 5), channels)
        array = np.random.default_rng(seed).random((2, 3, 4, 5))
        matrices = layout.as_matrices(array)
        assert matrices.shape == layout.matrices and math.prod(layout.matrices) == array.size
        assert (layout.from_matrices(matrices) == array).all()


@pytest.mark.slow
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 6)),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(0, 2**31),
    st.booleans(),
)
@settings(max_examples=80)
def test_windows_hold_no_more_than_they_may_and_the_best(shape, most, more, seed, bounded):
    layout = Windows(shape, PLAIN, most, most + more)
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=shape), 1)
    scores[rng.random(shape) < 0.05] = -np.inf
    inside = rng.random(shape) < 0.6 if bounded else None
    found = layout.candidates(scores, inside, None)
    assert found.sum() == layout.room(inside)
    for start in range(0, shape[1], most + more):
        window = slice(start, start + most + more)
        kept, there = (
            found[:, window],
            np.ones(shape, bool)[:, window] if inside is None else inside[:, window],
        )
        assert (kept.sum(1) == np.minimum(there.sum(1), most)).all() and not (kept & ~there).any()
        worst = np.where(kept, scores[:, window], np.inf).min(1)
        assert (worst >= np.where(there & ~kept, scores[:, window], -np.inf).max(1)).all()


@pytest.mark.slow
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 5)),
    st.integers(0, 2**31),
    st.floats(0, 1),
    st.booleans(),
)
@settings(max_examples=80)
def test_outputs_keep_as_many_as_others(shape, seed, part, bounded):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=shape), 1)
    inside = rng.random(shape) < 0.6 if bounded else np.ones(shape, bool)
    count = round(part * inside.sum())
    found = EvenOutputs(shape, PLAIN).candidates(scores, inside if bounded else None, count)
    assert found.sum() == count and not (found & ~inside).any()
    counts, rooms = found.sum((0, 1)), inside.sum((0, 1))
    # Who has fewer than another has no room for more, or is one behind.
    assert all(c >= counts.max() - 1 or c == room for c, room in zip(counts, rooms, strict=True))
    for o in range(shape[2]):
        kept, there = found[..., o], inside[..., o]
        if kept.any() and (there & ~kept).any():
            assert scores[..., o][kept].min() >= scores[..., o][there & ~kept].max()


def blocks_are_whole(model, ticket, pattern):
    layouts, _ = layouts_of(model, prunable_weights(model), pattern)
    for layout, mask in zip(layouts, ticket.masks, strict=True):
        assert (layout.mask(layout.inside(mask)) == mask).all()
    return [int(layout.inside(mask).sum()) for layout, mask in zip(layouts, ticket.masks, strict=True)], [
        layout.size for layout in layouts
    ]


# Groups see the scores alone: one of each kind of score and of ratios.
EVERY = ("balanced", "erk", "hybrid", "lt", "magnitude", "random", "snip", "synflow", "uniform")
# Of scores a window sees the array alone.
ONE_OF_EACH_RATIOS = ("magnitude", "erk", "uniform", "balanced", "pyramidal", "hybrid", "lr_rewinding")
CASES = [
    *((method, "4x1", 0.8) for method in EVERY),
    *(
        (method, pattern, 0.8)
        for method in ("erk", "snip", "hybrid")
        for pattern in ("block(3,2)", "channel")
    ),
    ("magnitude", "4x1", 0.5),
    ("erk", "channel", 0.3),
]


def slow_but(*quick):
    """Parameters of tests, those of other methods than these as slow ones."""

    def made(cases):
        return [pytest.param(*case, marks=() if case[0] in quick else pytest.mark.slow) for case in cases]

    return made


class TestTickets:
    @pytest.mark.slow
    @pytest.mark.parametrize(("method", "pattern", "sparsity"), slow_but("erk", "magnitude")(CASES))
    def test_keep_exactly_so_many_groups(self, method, pattern, sparsity):
        model, init = shared()
        rounds = min(2, SCORES[METHODS[method].score].rounds)
        given = {"data": (X, Y), "init_weights": init, "rounds": rounds}
        ticket = tt.prune(model, method, sparsity, pattern=pattern, **given)
        kept, sizes = blocks_are_whole(model, ticket, pattern)
        assert sum(kept) == round(sum(sizes) * (1 - sparsity))
        assert ticket.origin["pattern"] == str(pattern_of(pattern))

    @pytest.mark.parametrize(
        ("method", "sparsity"),
        [*((method, 0.5) for method in ONE_OF_EACH_RATIOS), ("magnitude", 0.7)],
    )
    def test_windows_are_kept_and_the_total_is_exact(self, method, sparsity):
        ticket = tt.prune(shared()[0], method, sparsity, pattern="2:4")
        assert ticket.kept == round(ticket.total * (1 - sparsity))
        for mask in ticket.masks:
            inputs = mask.shape[-2]
            for start in range(0, inputs, 4):
                assert mask[..., start : start + 4, :].sum(-2).max() <= 2

    @pytest.mark.parametrize("method", ["uniform", "erk", "balanced", "hybrid"])
    def test_outputs_are_alike(self, method):
        ticket = tt.prune(shared()[0], method, 0.6, pattern="constant_fan_in")
        assert ticket.kept == round(ticket.total * 0.4)
        for mask in ticket.masks:
            counts = mask.reshape(-1, mask.shape[-1]).sum(0)
            assert counts.max() - counts.min() <= 1

    @pytest.mark.slow
    def test_counts_of_layers_are_those_of_their_ratios(self):
        """Of blocks that fit, a layer keeps what it keeps without a pattern."""
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(32), keras.layers.Dense(8)])
        plain = tt.prune(keras.models.clone_model(model), "uniform", 0.75)
        ticket = tt.prune(model, "uniform", 0.75, pattern="4x1")
        assert [int(m.sum()) for m in ticket.masks] == [int(m.sum()) for m in plain.masks]

    def test_global_ranking_is_by_sums(self):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4), keras.layers.Dense(2)])
        model.layers[0].set_weights([np.array([[1, 1, 1, 1], [3, 0, 0, 0]], "float32"), np.zeros(4)])
        model.layers[1].set_weights([np.ones((4, 2), "float32") * 0.1, np.zeros(2)])
        ticket = tt.prune(model, "magnitude", 5 / 6, pattern="1x4")
        assert ticket.masks[0].tolist() == [[True] * 4, [False] * 4] and not ticket.masks[1].any()

    @pytest.mark.slow
    def test_channels_that_sums_tie_are_left_alone_and_said(self):
        ticket = tt.prune(shared()[0], "magnitude", 0.5, pattern="channel")
        kept = dict(zip(ticket.names, ticket.masks, strict=True))
        assert all(kept[name].all() for name in ("tied/kernel", "shortcut/kernel", "head/kernel"))
        assert "sums tie its outputs to those of shortcut" in " ".join(ticket.notes)
        removed = sum((~kept[name].any(axis=tuple(range(kept[name].ndim - 1)))).sum() for name in kept)
        assert removed == 10 + 9 - round(0.5 * (10 + 9))

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore:After pruning")
    def test_channels_make_a_smaller_model(self):
        model = small_net()
        tt.prune(model, "magnitude", 0.5, pattern="channel")
        small = tt.compact(model)
        assert {x.name: x.stay for x in small.compaction.layers if x.stay < x.channels}.keys() == {
            "free",
            "hidden",
        }
        assert np.allclose(small(X), model(X), atol=1e-5)

    @pytest.mark.slow
    def test_a_mask_that_bounds_them_has_whole_groups_alone(self):
        model, _ = shared()
        source = tt.prune(model, "random", 0.4, pattern="4x1")
        inside = tt.prune(model, "snip", 0.8, data=(X, Y), within=source, pattern="4x1")
        kept, sizes = blocks_are_whole(model, inside, "4x1")
        assert sum(kept) == round(sum(sizes) * 0.2)
        assert not any((a & ~b).any() for a, b in zip(inside.masks, source.masks, strict=True))

    @pytest.mark.slow
    def test_layers_that_stay_whole_stay_inside_other_masks(self):
        model, _ = shared()
        within = [np.ones(entry.shape, bool) for entry in prunable_weights(model)]
        within[-1][0] = False
        ticket = tt.prune(model, "magnitude", 0.5, pattern="channel", ratios="uniform", within=within)
        assert not (ticket.masks[-1] & ~within[-1]).any() and ticket.masks[-1].sum() == within[-1].sum()

    @pytest.mark.parametrize(
        "given",
        [
            {"pattern": "4x1", "ratios": "global", "classifier_keep": 1.0},
            {"pattern": "4x1", "ratios": "smart"},
            {"pattern": "channel", "ratios": "smart"},
        ],
    )
    def test_of_classifiers_that_have_what_is_asked_nothing_is_said(self, given):
        ticket = tt.prune(shared()[0], "magnitude", 0.5, **given)
        assert "the classifier keeps" not in " ".join(ticket.notes)

    @pytest.mark.slow
    def test_rounds_end_at_the_count(self):
        model, _ = shared()
        quota = Quota(ratios="global", sparsity=0.9, pattern="4x1", rounds=4)
        before = None
        for number in range(4):
            before = draw_ticket(model, "magnitude", quota, within=before, only_round=number)
        kept, sizes = blocks_are_whole(model, before, "4x1")
        assert sum(kept) == round(sum(sizes) * 0.1)

    def test_min_keep_is_of_weights(self):
        ticket = tt.prune(shared()[0], "magnitude", 0.9, pattern="4x1", min_keep=12)
        assert all(mask.sum() >= min(12, mask.size) - 4 and mask.any() for mask in ticket.masks)

    @pytest.mark.slow
    def test_a_seed_decides_random_ones(self):
        masks = [tt.prune(shared()[0], "erk", 0.8, seed=s, pattern="4x1").masks for s in (0, 0, 1)]
        same = [all((a == b).all() for a, b in zip(masks[0], other, strict=True)) for other in masks[1:]]
        assert same == [True, False]


class TestSolvers:
    """What chooses masks while it corrects weights keeps n of each m; other masks are drawn before."""

    def net(self):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(16, "relu", name="first"), keras.layers.Dense(6, name="last")]
        return keras.Sequential([keras.Input((8,)), *layers])

    data = np.random.default_rng(1).normal(size=(64, 8)).astype("float32"), np.zeros(64, int)

    @pytest.mark.slow
    def test_keep_n_of_each_m(self):
        ticket = tt.prune(self.net(), "sparsegpt", 0.5, data=self.data, pattern="2:4")
        for mask in ticket.masks:
            assert (mask.reshape(-1, 4, mask.shape[1]).sum(1) == 2).all()

    @pytest.mark.slow
    def test_make_up_for_masks_of_any_pattern(self):
        model, plain = self.net(), self.net()
        given = {"data": self.data, "pattern": "4x1"}
        ticket = tt.prune(model, "sparsegpt", 0.5, score="wanda", **given)
        same = tt.prune(plain, "wanda", 0.5, **given)
        assert all((a == b).all() for a, b in zip(ticket.masks, same.masks, strict=True))
        kept, sizes = blocks_are_whole(model, ticket, "4x1")
        assert sum(kept) == round(sum(sizes) * 0.5)
        x, dense = self.data[0], self.net()
        errors = [np.square(pruned(x) - dense(x)).mean() for pruned in (model, plain)]
        assert errors[0] < errors[1]

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"sparsity": 0.75}, r"keeps 2 of each 4 here: sparsity=0.5, .* Received: sparsity=0.75"),
            ({"pattern": "3:6"}, r"takes 6 inputs at a time, .*first/kernel, .*last/kernel. Leave"),
            ({"pattern": "4x1"}, "pattern='4x1' is not for a method that chooses the masks of one layer"),
        ],
    )
    def test_refuse_what_they_cannot_meet(self, given, message):
        with pytest.raises(ValueError, match=message):
            tt.prune(
                self.net(), "sparsegpt", **{"sparsity": 0.5, "data": self.data, "pattern": "2:4", **given}
            )


class TestCallbacks:
    def fit(self, callback, epochs):
        model = small_net()
        model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
        model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[callback])
        return model

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("make", "epochs"),
        [
            (lambda: tt.callbacks.MagnitudePruning(0.8, epoch=1, pattern="4x1"), 2),
            (lambda: tt.callbacks.HybridPruning(0.8, epoch=1, pattern="block(4,1)"), 2),
            (
                lambda: tt.callbacks.MagnitudePruning(
                    schedule=lambda step: (True, 0.2 * step), pattern="4x1"
                ),
                4,
            ),
        ],
    )
    def test_keep_groups(self, make, epochs):
        callback = make()
        model = self.fit(callback, epochs)
        kept, sizes = blocks_are_whole(model, callback.ticket, "4x1")
        assert sum(kept) == round(sum(sizes) * 0.2)

    @pytest.mark.slow
    def test_in_rounds(self):
        callback = tt.callbacks.IterativeMagnitudePruning(0.8, rounds=2, epochs_per_round=1, pattern="4x1")
        model = self.fit(callback, 3)
        kept, sizes = blocks_are_whole(model, callback.tickets[-1], "4x1")
        assert sum(kept) == round(sum(sizes) * 0.2)

    @pytest.mark.slow
    def test_know_before_training_what_cannot_be_met(self):
        with pytest.raises(ValueError, match="spreads the count of a layer"):
            tt.callbacks.MagnitudePruning(0.5, epoch=2, pattern="constant_fan_in")
        seen = []
        watch = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
        model = small_net()
        model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
        late = tt.callbacks.MagnitudePruning(0.3, epoch=2, pattern="2:4")
        with pytest.raises(ValueError, match="pattern='2:4' can hold"):
            model.fit(X, Y, epochs=3, verbose=0, callbacks=[watch, late])
        assert not seen

    @pytest.mark.parametrize("make", [tt.callbacks.MagnitudePruning, tt.callbacks.HybridPruning])
    def test_refuse_others_when_they_are_made(self, make):
        with pytest.raises(ValueError, match="pattern='4y1' is unknown"):
            make(0.8, 0, pattern="4y1")


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"pattern": "3by3"}, "pattern='3by3' is unknown"),
            ({"pattern": "2:4", "sparsity": 0.3}, r"pattern='2:4' can hold .* Raise the sparsity"),
            ({"pattern": "4x1", "preserve_flow": True}, "preserve_flow=False alone. Received: True"),
            ({"pattern": "4x1", "rounding": "reference"}, "rounding='exact' alone"),
            ({"pattern": "4x1", "method": "erk", "sampling": "bernoulli"}, "sampling='exact' alone"),
            ({"pattern": "constant_fan_in"}, "ratios='global' gives layers none"),
        ],
    )
    def test_come_before_work(self, given, message):
        model, _ = shared()
        before = model.get_weights()
        with pytest.raises(ValueError, match=message):
            tt.prune(model, **{"method": "magnitude", "sparsity": 0.8, **given})
        assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))

    def test_a_model_of_which_no_output_can_go(self):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, name="only")])
        with pytest.raises(ValueError, match=r"only/kernel \(its outputs have to stay"):
            tt.prune(model, "magnitude", 0.5, pattern="channel")


def test_the_quota_of_a_pattern_is_one_of_its_fields():
    assert "pattern" in {field.name for field in dataclasses.fields(Quota)}
