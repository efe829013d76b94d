"""Top-k masks, compared with a stable sort: exact counts, ties by position, nested as the count shrinks."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.operations import lines_run
from tf_tickets.pruning import top_k as top_k_module
from tf_tickets.pruning.top_k import global_masks, layerwise_masks, top_k

# Few distinct values, so that most scores tie; both zeros; the infinities.
TYING = [0.0, -0.0, 1.0, -1.0, 2.0, np.inf, -np.inf]
DTYPES = [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8, np.uint64]


@st.composite
def score_vectors(draw, max_size=60):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    if dtype.kind == "f":
        elements = st.one_of(st.sampled_from(TYING), st.floats(allow_nan=False, width=dtype.itemsize * 8))
    else:
        limits = np.iinfo(dtype)
        elements = st.one_of(st.integers(0, 3), st.sampled_from([int(limits.min), int(limits.max)]))
    return draw(hnp.arrays(dtype, draw(st.integers(1, max_size)), elements=elements))


def by_stable_sort(scores, keep):
    """The definition: sorted from the largest, equal ones in their order, the first `keep` are kept."""
    order = sorted(range(scores.size), key=lambda position: -scores[position].item())
    mask = np.zeros(scores.size, bool)
    mask[order[:keep]] = True
    return mask


class TestTopK:
    @pytest.mark.slow
    @given(score_vectors(), st.data())
    def test_is_a_stable_sort(self, scores, data):
        keep = data.draw(st.integers(0, scores.size))
        mask = top_k(scores, keep)
        assert mask.dtype == bool and mask.shape == scores.shape
        np.testing.assert_array_equal(mask, by_stable_sort(scores, keep))

    @pytest.mark.slow
    @given(score_vectors(), st.data())
    def test_masks_are_nested(self, scores, data):
        few, more = sorted(data.draw(st.lists(st.integers(0, scores.size), min_size=2, max_size=2)))
        assert np.all(top_k(scores, few) <= top_k(scores, more))

    @pytest.mark.slow
    @given(score_vectors())
    def test_scores_are_left_alone(self, scores):
        before = scores.copy()
        scores.flags.writeable = False
        top_k(scores, scores.size // 2)
        np.testing.assert_array_equal(scores, before)

    def test_of_equal_scores_the_earlier_are_kept(self):
        np.testing.assert_array_equal(top_k(np.zeros(5), 2), [True, True, False, False, False])
        np.testing.assert_array_equal(
            top_k(np.array([0, 3, 3, 1, 3.0]), 2), [False, True, True, False, False]
        )

    def test_minus_and_plus_zero_tie(self):
        np.testing.assert_array_equal(top_k(np.array([-0.0, 0.0, -0.0]), 1), [True, False, False])

    def test_infinite_scores_rank(self):
        scores = np.array([-np.inf, 1, np.inf, -np.inf, np.inf])
        np.testing.assert_array_equal(top_k(scores, 4), [True, True, True, False, True])

    @pytest.mark.parametrize("keep", [0, 1, 2, 3])
    def test_nan_is_refused_whatever_the_count(self, keep):
        with pytest.raises(ValueError, match="NaN"):
            top_k(np.array([1.0, np.nan, 2.0]), keep)

    @pytest.mark.parametrize("keep", [-1, 4])
    def test_counts_out_of_range_are_refused(self, keep):
        with pytest.raises(ValueError, match=f"Cannot keep {keep} of 3 weights"):
            top_k(np.arange(3.0), keep)

    @pytest.mark.parametrize(
        "scores", [np.ones((4, 6)), np.arange(24.0).reshape(4, 6)], ids=["tied", "distinct"]
    )
    def test_the_order_of_an_array_in_memory_is_none_of_its_values(self, scores):
        (found,) = global_masks([np.asfortranarray(scores)], 20)
        assert np.count_nonzero(found) == 20
        np.testing.assert_array_equal(found, global_masks([scores], 20)[0])

    @pytest.mark.parametrize("distinct", [2, 2**31])
    def test_takes_little_more_memory_than_the_scores(self, distinct):
        scores = np.random.default_rng(0).integers(0, distinct, 2_000_000).astype(np.float32)
        tracemalloc.start()
        mask = top_k(scores, 40_000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert np.count_nonzero(mask) == 40_000
        assert peak < 1.6 * scores.nbytes

    @pytest.mark.parametrize("distinct", [2, 2**31])
    def test_python_does_the_same_for_one_million_weights_as_for_two(self, distinct):
        few, many = (
            np.random.default_rng(0).integers(0, distinct, size).astype(np.float32)
            for size in (1_000_000, 2_000_000)
        )
        assert lines_run(lambda: top_k(many, 40_000)) == lines_run(lambda: top_k(few, 20_000))


class TestLayers:
    SCORES = (np.array([[5.0, 1], [2, 2]]), np.array([9.0, 8, 7]), np.array([[[2.0]]]))

    def test_layerwise_ranks_each_layer_alone(self):
        masks = layerwise_masks(self.SCORES, [2, 1, 0])
        np.testing.assert_array_equal(masks[0], [[True, False], [True, False]])
        np.testing.assert_array_equal(masks[1], [True, False, False])
        np.testing.assert_array_equal(masks[2], [[[False]]])

    def test_global_ranks_all_layers_together(self):
        masks = global_masks(self.SCORES, 4)
        np.testing.assert_array_equal(masks[0], [[True, False], [False, False]])
        np.testing.assert_array_equal(masks[1], [True, True, True])
        np.testing.assert_array_equal(masks[2], [[[False]]])

    def test_global_ties_go_to_the_earlier_layer(self):
        masks = global_masks(self.SCORES, 6)
        np.testing.assert_array_equal(masks[0], [[True, False], [True, True]])
        assert not masks[2].any()

    @pytest.mark.slow
    @given(
        st.lists(
            hnp.arrays(np.float32, hnp.array_shapes(max_side=4), elements=st.sampled_from(TYING)),
            min_size=1,
            max_size=5,
        ),
        st.data(),
    )
    def test_shapes_and_counts(self, scores, data):
        counts = [data.draw(st.integers(0, score.size)) for score in scores]
        layerwise = layerwise_masks(scores, counts)
        together = global_masks(scores, sum(counts))
        for masks in (layerwise, together):
            assert [mask.shape for mask in masks] == [score.shape for score in scores]
            assert sum(np.count_nonzero(mask) for mask in masks) == sum(counts)
        assert [np.count_nonzero(mask) for mask in layerwise] == counts

    @pytest.mark.slow
    @given(score_vectors(), st.data())
    def test_one_layer_is_the_same_either_way(self, scores, data):
        assume(scores.size)
        keep = data.draw(st.integers(0, scores.size))
        np.testing.assert_array_equal(global_masks([scores], keep), layerwise_masks([scores], [keep]))

    def test_one_count_a_layer(self):
        with pytest.raises(ValueError):
            layerwise_masks(self.SCORES, [1, 1])


class TestSamples:
    """Of many scores only those are ranked that reach a bound, which a sample tells."""

    @pytest.mark.slow
    @given(st.integers(0, 2**31), st.integers(1, 50), st.floats(0.001, 1), st.booleans())
    def test_change_nothing(self, seed, distinct, part, bounded):
        rng = np.random.default_rng(seed)
        scores = [rng.integers(0, distinct, (7, 90)).astype(np.float32), rng.random(400).astype(np.float32)]
        within = [rng.random(score.shape) < 0.5 for score in scores] if bounded else None
        keep = round(part * (sum(int(x.sum()) for x in within) if bounded else 1030))
        expected = global_masks(scores, keep, within)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(top_k_module, "SAMPLE", 100)
            found = global_masks(scores, keep, within)
        assert all((a == b).all() for a, b in zip(expected, found, strict=True))

    def test_that_mislead_do_not(self, monkeypatch):
        """The sample sees every tenth score, and these alone are large."""
        scores = np.zeros(1000, np.float32)
        scores[::10] = 1 + np.arange(100)
        scores[5] = 0.5
        monkeypatch.setattr(top_k_module, "SAMPLE", 100)
        assert np.flatnonzero(top_k(scores, 101)).tolist() == sorted([5, *range(0, 1000, 10)])


class TestLeast:
    @pytest.mark.slow
    @given(
        st.lists(st.integers(1, 12), min_size=1, max_size=5),
        st.integers(0, 2**31),
        st.integers(1, 4),
        st.booleans(),
        st.floats(0, 1),
        st.data(),
    )
    def test_is_the_best_of_each_layer_and_then_the_best_of_the_rest(
        self, sizes, seed, distinct, bounded, part, data
    ):
        rng = np.random.default_rng(seed)
        scores = [rng.integers(0, distinct, size).astype(np.float32) for size in sizes]
        within = [rng.random(size) < 0.7 if bounded else np.ones(size, bool) for size in sizes]
        least = [data.draw(st.integers(0, size + 1)) for size in sizes]
        room = [int(x.sum()) for x in within]
        floors = [min(pair) for pair in zip(least, room, strict=True)]
        keep = sum(floors) + round(part * (sum(room) - sum(floors)))
        first = layerwise_masks(scores, floors, within)
        rest = global_masks(scores, keep - sum(floors), [a & ~b for a, b in zip(within, first, strict=True)])
        expected = [a | b for a, b in zip(first, rest, strict=True)]
        found = global_masks(scores, keep, within if bounded else None, least)
        assert sum(int(x.sum()) for x in found) == keep
        assert [int(x.sum()) for x in found] == [int(x.sum()) for x in expected]
        assert all((a == b).all() for a, b in zip(found, expected, strict=True))

    def test_more_than_there_is_to_keep_is_refused(self):
        with pytest.raises(
            ValueError, match="min_keep asks for 4 weights in all layers, and the budget is 3"
        ):
            global_masks([np.ones(3), np.ones(3)], 3, least=[2, 2])

    def test_takes_little_more_memory_than_the_scores(self):
        scores = list(np.random.default_rng(0).random((4, 500_000), np.float32))
        scores[2] /= 100
        tracemalloc.start()
        masks = global_masks(scores, 40_000, least=[100] * 4)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert np.count_nonzero(masks[2]) == 100
        assert peak < 0.8 * sum(x.nbytes for x in scores)
