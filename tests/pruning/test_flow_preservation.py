"""No dead channel: which axes are channels, what is added to a mask, and what goes again to meet a count."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tests.operations import lines_run
from tests.pruning.nets import assert_same
from tf_tickets.layers import prunable_weights
from tf_tickets.pruning.channels import Channels, channel_axes
from tf_tickets.pruning.flow_preservation import least_to_flow, preserve_flow

layers = keras.layers
DENSE = Channels((-2,), (-1,))
DEPTHWISE = Channels((-2,), (-2, -1))
TRANSPOSED = Channels((-1,), (-2,))

# layer, input shape, (inputs, outputs) of its weight and how many there are of each
LAYERS = {
    "dense": (lambda: layers.Dense(5), (3,), DENSE, 3, 5),
    "conv1d": (lambda: layers.Conv1D(5, 2), (4, 3), DENSE, 3, 5),
    "conv2d": (lambda: layers.Conv2D(5, 2), (4, 4, 3), DENSE, 3, 5),
    "grouped": (lambda: layers.Conv2D(6, 2, groups=2), (4, 4, 8), Channels((-2,), (-1,), 2), 8, 6),
    "conv3d": (lambda: layers.Conv3D(5, 2), (4, 4, 4, 3), DENSE, 3, 5),
    "conv2d_transpose": (lambda: layers.Conv2DTranspose(5, 2), (4, 4, 3), TRANSPOSED, 3, 5),
    "depthwise": (lambda: layers.DepthwiseConv2D(2, depth_multiplier=2), (4, 4, 3), DEPTHWISE, 3, 6),
    "embedding": (lambda: layers.Embedding(7, 5), (4,), DENSE, 7, 5),
    "einsum": (
        lambda: layers.EinsumDense("abc,cde->abde", (4, 2, 5)),
        (4, 3),
        Channels((-3,), (-2, -1)),
        3,
        10,
    ),
    "einsum_of_two": (
        lambda: layers.EinsumDense("abcd,cde->abe", (4, 5)),
        (4, 2, 3),
        Channels((-3, -2), (-1,)),
        6,
        5,
    ),
    "einsum_in_groups": (
        lambda: layers.EinsumDense("...gi,gio->...go", (2, 5)),
        (4, 2, 3),
        Channels((-3, -2), (-3, -1)),
        6,
        10,
    ),
}


def weights_of(make, shape):
    model = keras.Sequential([keras.Input(shape), make()])
    return tt.mask_layers(model, include=model.layers[-1]).masked


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_channels_of_a_layer(name):
    make, shape, channels, inputs, outputs = LAYERS[name]
    (entry,) = weights_of(make, shape)
    assert channel_axes(entry) == channels
    assert least_to_flow(entry) == min(entry.size, inputs + outputs - 1)


def test_channels_of_a_separable_convolution():
    depthwise, pointwise = weights_of(lambda: layers.SeparableConv2D(5, 2), (4, 4, 3))
    assert (channel_axes(depthwise), channel_axes(pointwise)) == (DEPTHWISE, DENSE)


def test_channels_do_not_depend_on_masks():
    model = keras.Sequential([keras.Input((4, 4, 3)), layers.Conv2DTranspose(5, 2), layers.Conv2D(4, 1)])
    before = [channel_axes(entry) for entry in prunable_weights(model)]
    tt.mask_layers(model)
    assert [channel_axes(entry) for entry in prunable_weights(model)] == before == [TRANSPOSED, DENSE]


class Scale(keras.Layer):
    def build(self, shape):
        self.w = self.add_weight(shape=shape[-1:])

    def call(self, x):
        return x * self.w


def test_each_value_of_a_vector_is_a_channel():
    tt.register_maskable(Scale, weights=("w",))
    (entry,) = weights_of(Scale, (4,))
    assert channel_axes(entry) == Channels((-1,), (-1,))
    assert least_to_flow(entry) == 4
    (mask,) = preserve_flow([np.zeros(4, bool)], [np.arange(4.0)], [channel_axes(entry)])
    assert mask.all()


AXES = [
    ((4, 6), DENSE),
    ((6, 3), DENSE),
    ((2, 2, 3, 4), DENSE),
    ((2, 4, 3), TRANSPOSED),
    ((2, 2, 3, 2), DEPTHWISE),
    ((3, 2, 4), Channels((-3,), (-2, -1))),
    ((2, 3, 4), Channels((-3, -2), (-3, -1))),
    ((2, 2, 6), Channels((-2,), (-1,), 3)),
    ((5,), Channels((-1,), (-1,))),
    ((1, 1), DENSE),
]


def dead(mask, channels):
    """Numbers of input and output channels without a kept weight, counted weight by weight."""
    alive = [set(), set()]
    everything = [set(), set()]
    for place in np.ndindex(mask.shape):
        ends = [tuple(place[a] for a in side) for side in (channels.inputs, channels.outputs)]
        if channels.groups > 1:
            ends[0] = (*ends[0], place[-1] // (mask.shape[-1] // channels.groups))
        for side, end in enumerate(ends):
            everything[side].add(end)
            if mask[place]:
                alive[side].add(end)
    return [len(a) - len(b) for a, b in zip(everything, alive, strict=True)]


@st.composite
def networks(draw):
    """Masks, scores and axes of one to three layers; scores often tie."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    axes = draw(st.lists(st.sampled_from(AXES), min_size=1, max_size=3))
    density = draw(st.sampled_from([0.0, 0.05, 0.2, 0.5, 1.0]))
    masks = [rng.random(shape) < density for shape, _ in axes]
    levels = draw(st.sampled_from([1, 3, 1000]))
    scores = [rng.integers(0, levels, shape).astype("float32") for shape, _ in axes]
    return masks, scores, [channels for _, channels in axes]


def least(mask, channels):
    shape = list(mask.shape)
    inputs = channels.groups * np.prod([shape[a] for a in channels.inputs])
    return int(min(mask.size, inputs + np.prod([shape[a] for a in channels.outputs]) - 1))


class TestPreserveFlow:
    @pytest.mark.slow
    @settings(max_examples=60)
    @given(networks())
    def test_no_channel_is_dead_and_no_more_is_added_than_was_dead(self, network):
        """Again it changes nothing, and never its arguments."""
        masks, scores, axes = network
        copies = [[array.copy() for array in arrays] for arrays in network[:2]]
        found = preserve_flow(*network)
        for before, after, channels in zip(masks, found, axes, strict=True):
            assert np.all(before <= after)
            assert dead(after, channels) == [0, 0]
            assert np.count_nonzero(after & ~before) <= sum(dead(before, channels))
        assert_same(preserve_flow(found, scores, axes), found)
        preserve_flow(*network, keep=[int(mask.sum()) for mask in found])
        assert_same([list(arrays) for arrays in network[:2]], copies)

    def test_a_dead_channel_gets_its_best_weight_outputs_first(self):
        mask = np.array([[1, 0, 0], [0, 0, 0]], bool)
        scores = np.array([[9.0, 1.0, 5.0], [8.0, 2.0, 4.0]])
        # Outputs 1 and 2 are dead. What output 1 gets lets input 1 live.
        (found,) = preserve_flow([mask], [scores], [((-2,), (-1,))])
        np.testing.assert_array_equal(found, np.array([[1, 0, 1], [0, 1, 0]], bool))

    @pytest.mark.slow
    def test_random_scores_add_a_random_weight(self):
        rng = np.random.default_rng(0)
        # The second input is dead; any of its three weights may come.
        mask = np.array([[1, 1, 1], [0, 0, 0]], bool)
        counts = np.sum(
            [preserve_flow([mask], [rng.random((2, 3))], [DENSE])[0][1] for _ in range(900)], axis=0
        )
        assert counts.sum() == 900 and counts.min() > 250


class TestKeep:
    @pytest.mark.slow
    @settings(max_examples=60)
    @given(networks(), st.data())
    def test_counts_are_met_layer_by_layer_or_by_all_together(self, network, data):
        masks, scores, axes = network
        full = preserve_flow(*network)
        kept = [int(mask.sum()) for mask in full]
        bounds = [min(least(mask, channels), mask.sum()) for mask, channels in zip(full, axes, strict=True)]
        counts = [data.draw(st.integers(*each)) for each in zip(bounds, kept, strict=True)]
        found = preserve_flow(masks, scores, axes, keep=counts)
        assert [np.count_nonzero(mask) for mask in found] == counts
        for before, after, channels in zip(full, found, axes, strict=True):
            assert np.all(after <= before)
            assert dead(after, channels) == [0, 0]

        bound = sum(least(mask, channels) for mask, channels in zip(full, axes, strict=True))
        count = data.draw(st.integers(min(bound, sum(kept)), sum(kept)))
        found = preserve_flow(masks, scores, axes, keep=count)
        assert sum(np.count_nonzero(mask) for mask in found) == count
        assert all(dead(mask, channels) == [0, 0] for mask, channels in zip(found, axes, strict=True))
        # Masks without dead channels that meet the count stay.
        for count in (kept, sum(kept)):
            assert_same(preserve_flow(full, scores, axes, keep=count), full)

    @pytest.mark.slow
    @settings(max_examples=50)
    @given(networks(), st.data())
    def test_the_lowest_that_can_go_go(self, network, data):
        _, scores, axes = network
        mask, score, channels = preserve_flow(*network)[0], scores[0], axes[0]
        count = data.draw(st.integers(min(least(mask, channels), mask.sum()), mask.sum()))
        expected = mask.copy()
        places = sorted(zip(*np.nonzero(mask), strict=True), reverse=True)
        for place in sorted(places, key=lambda place: score[place]):
            if expected.sum() == count:
                break
            expected[place] = False
            if dead(expected, channels) != [0, 0]:
                expected[place] = True
        np.testing.assert_array_equal(preserve_flow([mask], [score], [channels], keep=[count])[0], expected)

    def test_of_equal_scores_the_later_go_first(self):
        (found,) = preserve_flow([np.ones((2, 2), bool)], [np.zeros((2, 2))], [DENSE], keep=[3])
        np.testing.assert_array_equal(found, [[True, True], [True, False]])

    def test_all_layers_together_means_that_their_scores_are_compared(self):
        masks, axes = [np.ones((2, 2), bool)] * 2, [DENSE] * 2
        low, high = np.full((2, 2), 1.0), np.full((2, 2), 2.0)
        found = preserve_flow(masks, [high, low], axes, keep=6)
        assert [np.count_nonzero(mask) for mask in found] == [4, 2]

    @pytest.mark.parametrize(
        ("keep", "message"),
        [
            ([2], "Cannot keep 2 weights of layer 0 without a dead channel: 3 are each the last"),
            (1, "Cannot keep 1 weights of all layers without a dead channel"),
            ([7], "Cannot keep 7 weights of layer 0: the masks have 4"),
            ([3, 3], "Received 2 for 1 layers"),
        ],
    )
    def test_a_count_that_cannot_be_met(self, keep, message):
        with pytest.raises(ValueError, match=message):
            preserve_flow([np.zeros((2, 3), bool)], [np.ones((2, 3))], [DENSE], keep=keep)

    def test_arrays_that_do_not_fit(self):
        with pytest.raises(ValueError, match="shape \\(2, 3\\) and scores of shape \\(3, 2\\)"):
            preserve_flow([np.ones((2, 3), bool)], [np.ones((3, 2))], [DENSE])
        with pytest.raises(ValueError, match="Received: 1, 0 and 1"):
            preserve_flow([np.ones((2, 3), bool)], [], [DENSE])


def test_of_five_million_weights_python_looks_at_those_that_go():
    rng = np.random.default_rng(0)
    shape = (3, 3, 745, 745)
    scores = rng.random(shape, dtype="float32")
    mask = scores > 0.999
    found = []
    lines = lines_run(lambda: found.extend(preserve_flow([mask], [scores], [DENSE], keep=[2000])))
    (found,) = found
    assert np.count_nonzero(found) == 2000
    assert found.any(axis=(0, 1, 2)).all() and found.any(axis=(0, 1, 3)).all()
    gone, channels = np.count_nonzero(mask & ~found), 2 * 745
    assert lines < 10 * (gone + channels) < mask.size / 50
