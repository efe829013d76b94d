"""Rearranged masks with counts of channels kept: exactly those, within a source, and none preferred."""

import collections
import itertools

import keras
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tests import nets
from tf_tickets.pruning.channels import Channels, channel_axes
from tf_tickets.sanity import channel_counts
from tf_tickets.sanity.attacks import rearrange
from tf_tickets.sanity.channel_counts import BOTH, INPUT, KEPT_PER, OUTPUT, rearranged_per_channel

# A fair draw fails a chi-square test of this level once in a thousand seeds; the seeds are fixed.
LEVEL = 1e-3
PLAIN = Channels((-2,), (-1,))
# Shape and axes: dense, convolution, grouped, transposed, depthwise, several axes of each, a vector.
KERNELS = [
    ((7, 5), PLAIN),
    ((1, 6), PLAIN),
    ((3, 2, 4, 6), PLAIN),
    ((3, 2, 6), Channels((-2,), (-1,), 3)),
    ((3, 5, 4), Channels((-1,), (-2,))),
    ((3, 3, 4, 2), Channels((-2,), (-2, -1))),
    ((4, 2, 3), Channels((-3,), (-2, -1))),
    ((2, 3, 4), Channels((-3, -2), (-1,))),
    ((6,), Channels((-1,), (-1,))),
]
kernels = st.sampled_from(KERNELS)
seeds = st.integers(0, 2**32 - 1)
every_count = pytest.mark.parametrize("per", KEPT_PER)


def drawn(mask, per, seed=0, within=None, channels=PLAIN):
    (found,) = rearranged_per_channel(
        [mask], seed, None if within is None else [within], channels=[channels], per=per
    )
    return found


def counts(mask, channels, per):
    """How many are kept of each input and of each output, as `per` names them; by a look at each weight."""
    rank, found = mask.ndim, {INPUT: collections.Counter(), OUTPUT: collections.Counter()}
    for place in np.argwhere(mask):
        inputs, outputs = ([int(place[axis % rank]) for axis in axes] for axes in channels[:2])
        if channels.groups > 1:  # inputs are numbered within the group of the output
            inputs.append(outputs[0] // (mask.shape[channels.outputs[0]] // channels.groups))
        found[INPUT][tuple(inputs)] += 1
        found[OUTPUT][tuple(outputs)] += 1
    return [found[INPUT]] * (per != OUTPUT) + [found[OUTPUT]] * (per != INPUT)


def all_with_the_counts_of(mask, source, channels, per):
    """Every mask within the source that keeps them, as bytes."""
    wanted, places, found = counts(mask, channels, per), np.argwhere(source), set()
    for chosen in itertools.combinations(range(len(places)), int(mask.sum())):
        other = np.zeros_like(mask)
        other[tuple(places[list(chosen)].T)] = True
        if counts(other, channels, per) == wanted:
            found.add(other.tobytes())
    return found


class TestCounts:
    @pytest.mark.slow
    @every_count
    @settings(max_examples=30)
    @given(kernel=kernels, seed=seeds, density=st.floats(0, 1), sourced=st.booleans())
    def test_are_kept_exactly_and_within_the_source(self, per, kernel, seed, density, sourced):
        shape, channels = kernel
        rng = np.random.default_rng(seed)
        source = rng.random(shape) < (0.6 if sourced else 1)
        mask = source & (rng.random(shape) < density)
        before = mask.copy()
        found = drawn(mask, per, seed, source if sourced else None, channels)
        assert found.dtype == bool and found.shape == shape and not (found & ~source).any()
        assert counts(found, channels, per) == counts(mask, channels, per)
        assert found.sum() == mask.sum()
        np.testing.assert_array_equal(mask, before)
        np.testing.assert_array_equal(drawn(mask, per, seed, source if sourced else None, channels), found)

    @every_count
    @pytest.mark.parametrize(("shape", "channels"), KERNELS[:1] + KERNELS[2:-1])
    def test_another_mask_is_drawn_by_every_seed(self, per, shape, channels):
        mask = np.random.default_rng(0).random(shape) < 0.5
        found = {drawn(mask, per, seed, None, channels).tobytes() for seed in range(8)} - {mask.tobytes()}
        assert len(found) >= 2

    @pytest.mark.parametrize(
        ("per", "kept"), [(INPUT, (True, False)), (OUTPUT, (False, True)), (BOTH, (True, True))]
    )
    def test_are_no_others_than_those_named(self, per, kept):
        mask = np.random.default_rng(0).random((3, 3, 20, 30)) < 0.1
        found = drawn(mask, per)
        assert (
            tuple(np.array_equal(found.sum(axes), mask.sum(axes)) for axes in ((0, 1, 3), (0, 1, 2))) == kept
        )

    def test_of_a_vector_are_the_mask(self):
        mask = np.array([True, False, True])
        for per in KEPT_PER:
            np.testing.assert_array_equal(drawn(mask, per, channels=KERNELS[-1][1]), mask)


class TestDraw:
    """All masks with the counts appear, as often as each other."""

    cyclic = np.roll(np.eye(3, dtype=bool), 1, 1)
    staircase = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], bool)
    spatial = np.zeros((2, 2, 2), bool)
    spatial[[0, 0, 1], [0, 0, 1], [0, 1, 1]] = True
    lacking = np.ones((2, 2, 2), bool)
    lacking[[0, 1], [1, 0], [0, 1]] = False

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("mask", "source", "number"),
        [
            (cyclic, None, 6),
            (cyclic, ~np.eye(3, dtype=bool), 2),  # one from the other only along a cycle of six
            (staircase, None, 5),
            (spatial, None, 10),
            (spatial & lacking, lacking, 4),
        ],
    )
    def test_with_both_counts_prefers_none(self, mask, source, number):
        source = np.ones_like(mask) if source is None else source
        possible = all_with_the_counts_of(mask, source, PLAIN, BOTH)
        assert len(possible) == number
        times = collections.Counter(drawn(mask, BOTH, seed, source).tobytes() for seed in range(12 * number))
        assert set(times) <= possible
        assert scipy.stats.chisquare([times[one] for one in possible]).pvalue > LEVEL

    @pytest.mark.slow
    @pytest.mark.parametrize("per", [INPUT, OUTPUT])
    def test_with_one_count_prefers_none(self, per):
        mask = np.array([[1, 1, 0], [0, 0, 1]], bool)
        possible = all_with_the_counts_of(mask, np.ones_like(mask), PLAIN, per)
        times = collections.Counter(drawn(mask, per, seed).tobytes() for seed in range(40 * len(possible)))
        assert set(times) == possible
        assert scipy.stats.chisquare([times[one] for one in possible]).pvalue > LEVEL

    @pytest.mark.slow
    @pytest.mark.parametrize("density", [0.02, 0.7])
    def test_has_forgotten_the_mask_of_a_large_layer(self, density, monkeypatch):
        """Overlapping with it as with a draw that went on for much longer."""
        rng = np.random.default_rng(0)
        chance = np.exp(rng.normal(size=(100, 1)) + rng.normal(size=150))
        mask = rng.random((100, 150)) < chance / chance.mean() * density
        found = drawn(mask, BOTH, 1)
        monkeypatch.setattr(channel_counts, "TRADES", 300)
        longer = drawn(mask, BOTH, 2)
        overlaps = [np.mean(one[two]) for one, two in ((found, mask), (longer, mask), (found, longer))]
        assert max(overlaps) - min(overlaps) < 5 * np.sqrt(0.25 / mask.sum())

    def test_draws_from_streams_of_its_own(self, monkeypatch):
        streams, stream = [], channel_counts.stream
        monkeypatch.setattr(channel_counts, "stream", lambda *names: streams.append(names) or stream(*names))
        for per in KEPT_PER:
            drawn(np.eye(3, dtype=bool), per, 7)
        assert streams == [(7, "check", f"rearrange_per_{per}") for per in KEPT_PER]
        assert all(name in tt.sanity.CHECKS for *_, name in streams)


class TestModels:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "per"),
        [*((name, BOTH) for name in nets.NETS), ("functional", INPUT), ("functional", OUTPUT)],
    )
    def test_of_all_kinds_keep_their_counts(self, name, per):
        model = nets.hide(nets.build(name))
        entries = tt.masked_weights(model)
        before = [np.asarray(entry.mask) for entry in entries]
        ticket = rearrange(model, 3, per=per)
        assert ticket.origin["sanity_check"] == f"rearrange_per_{per}"
        for entry, old, new in zip(entries, before, ticket.masks, strict=True):
            np.testing.assert_array_equal(np.asarray(entry.mask), new)
            axes = channel_axes(entry)
            assert counts(new, axes, per) == counts(old, axes, per)

    @pytest.mark.slow
    def test_a_recurrent_layer_has_an_output_for_each_gate_of_a_unit(self):
        model = nets.hide(keras.Sequential([keras.Input((4, 6)), keras.layers.LSTM(5)]))
        kernel, recurrent = (np.asarray(entry.mask) for entry in tt.masked_weights(model))
        ticket = rearrange(model, 0, per="output")
        for new, old in zip(ticket.masks, (kernel, recurrent), strict=True):
            assert new.shape[1] == 20 and not np.array_equal(new, old)
            np.testing.assert_array_equal(new.sum(axis=0), old.sum(axis=0))


class TestErrors:
    def test_of_masks_that_are_none(self):
        with pytest.raises(ValueError, match="Masks are bool arrays"):
            drawn(np.eye(3, dtype=int), BOTH)

    def test_of_masks_beyond_the_source(self):
        with pytest.raises(ValueError, match="not in the source"):
            drawn(np.eye(3, dtype=bool), BOTH, within=~np.eye(3, dtype=bool))

    def test_of_other_counts(self):
        with pytest.raises(ValueError, match="per='row' is unknown"):
            drawn(np.eye(3, dtype=bool), "row")
