"""How many weights a layer keeps inside a source mask: no more than it has there, in all the target."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tests import nets
from tests.sparse_training.small import perceptron
from tf_tickets.pruning import ticket_of
from tf_tickets.pruning.counts import counts_inside, keep_counts
from tf_tickets.pruning.ratios import RATIOS
from tf_tickets.sparse_training import edge_popup

LAYERS = st.lists(
    st.tuples(st.integers(1, 8), st.integers(1, 8), st.floats(0, 1)), min_size=1, max_size=4
).filter(lambda layers: any(int(share * a * b) for a, b, share in layers))
# Its dense first layer needs room for all of it.
RULES = [name for name in RATIOS if name != "uniform_dense_first"]


@pytest.mark.slow
@settings(max_examples=60)
@given(LAYERS, st.floats(0, 1), st.sampled_from(RULES))
def test_counts_fit_into_the_room_and_meet_the_target(layers, share, ratios):
    shapes, room = [(a, b) for a, b, _ in layers], [int(part * a * b) for a, b, part in layers]
    total = sum(a * b for a, b in shapes)
    keep = max(1, round(share * sum(room)))
    counts = keep_counts(shapes, 1 - keep / total, ratios, room=room)
    assert sum(counts) == keep
    assert all(0 <= count <= limit for count, limit in zip(counts, room, strict=True))


@pytest.mark.parametrize("ratios", RATIOS)
def test_room_for_everything_changes_nothing(ratios):
    shapes = [(784, 300), (300, 100), (100, 10)]
    room = [a * b for a, b in shapes]
    assert keep_counts(shapes, 0.1, ratios, room=room) == keep_counts(shapes, 0.1, ratios)


def test_a_first_layer_that_is_to_be_dense_needs_all_its_room():
    shapes = [(10, 10), (10, 30), (30, 10)]
    assert keep_counts(shapes, 0.8, "uniform_dense_first", room=[100, 10, 300]) == [100, 10, 30]
    with pytest.raises(ValueError, match=r"keeps all 100 weights of the first layer, .* source mask has 40"):
        keep_counts(shapes, 0.8, "uniform_dense_first", room=[40, 200, 200])


def test_what_a_full_layer_cannot_hold_goes_to_the_others_in_proportion():
    shapes = [(10, 10), (10, 20), (10, 40)]
    assert keep_counts(shapes, 0.8, "uniform", room=[100, 10, 400]) == [26, 10, 104]
    assert keep_counts(shapes, 0.8, "uniform", room=[100, 10, 400], redistribute=False) == [20, 10, 80]
    assert keep_counts(shapes, 0.8, "uniform", room=[100, 10, 400], min_keep=[30, 0, 0]) == [30, 10, 100]


def test_masks_are_the_room_and_a_target_is_not_denser():
    model, _, _ = perceptron(sparsity=0)
    source = [np.arange(48).reshape(6, 8) < 4, np.ones((8, 3), bool)]
    assert counts_inside(model, 0.75, "uniform", source) == [4, 14]
    assert counts_inside(model, 1 - 28 / 72, "uniform", source) == [4, 24]
    with pytest.raises(ValueError, match=r"keeps 29 of 72 weights.*source mask has 28.*cannot be denser"):
        counts_inside(model, 1 - 29 / 72, "uniform", source)
    with pytest.raises(ValueError, match=r'Inside a source mask counts have rounding="exact"'):
        keep_counts([(6, 8), (8, 3)], 0.8, "smart", rounding="reference", room=[4, 24])


class TestTheTicketThatAModelCarries:
    def test_is_its_masks(self):
        model = nets.build("sequential")
        drawn = tt.prune(model, "er", sparsity=0.5)
        found = ticket_of(model, {"from": "here"})
        assert found.sha256 == drawn.sha256 and found.on_path == drawn.on_path
        assert found.names == drawn.names and found.origin == {"from": "here"}

    @pytest.mark.slow
    def test_counts_what_layers_compute_with_where_that_is_less(self):
        model = nets.build("sequential")
        drawn = tt.prune(model, "er", sparsity=0.5)
        edge_popup(model, 0.9)
        found = ticket_of(model, {})
        assert found.kept == round(72 * 0.1)
        assert not any((a & ~b).any() for a, b in zip(found.masks, drawn.masks, strict=True))
        assert sum(found.on_path) <= found.kept

    def test_a_model_without_masks_has_none(self):
        with pytest.raises(ValueError, match="has no masks"):
            ticket_of(nets.build("sequential"), {})
