"""The density of every layer after every epoch, whatever prunes it, in the logs and for TensorBoard."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tests.event_files import curves
from tests.sparse_training.small import fit
from tf_tickets.layers import effective_mask

callbacks = tt.callbacks
EPOCHS = 2


def every_second_step(step):
    """A schedule in the form of tensorflow-model-optimization."""
    return step % 2 == 0, min(0.2 * step, 0.8)


# Way of pruning -> what is done to the model before, and the callbacks that prune while it trains.
WAYS = {
    "masks that stay": (lambda model: tt.prune(model, "random", 0.5), []),
    "MagnitudePruning": (None, [lambda: callbacks.MagnitudePruning(0.5, epoch=1)]),
    "a schedule": (None, [lambda: callbacks.MagnitudePruning(schedule=every_second_step)]),
    "HybridPruning": (None, [lambda: callbacks.HybridPruning(0.5, epoch=1)]),
    "IterativeMagnitudePruning": (None, [lambda: callbacks.IterativeMagnitudePruning(0.5, 1, 1)]),
    "GradualMagnitudePruning": (
        tt.mask_layers,
        [lambda: callbacks.GradualMagnitudePruning(0.5, frequency=2)],
    ),
    "GraNet": (
        lambda model: tt.prune(model, "er", 0.2),
        [lambda: callbacks.GraNet(0.5, frequency=2)],
    ),
    "RigL": (lambda model: tt.prune(model, "er", 0.5), [lambda: callbacks.RigL(frequency=2)]),
    "SET": (lambda model: tt.prune(model, "er", 0.5), [lambda: callbacks.SET(frequency=2)]),
    "soft thresholds": (lambda model: tt.sparse_training.soft_threshold(model, -1.0), []),
    "edge popup": (lambda model: tt.sparse_training.edge_popup(model, 0.5), []),
}
QUICK = ("masks that stay", "a schedule", "RigL", "soft thresholds")


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=() if way in QUICK else pytest.mark.slow) for way in WAYS]
)
def test_every_way_of_pruning_is_seen_layer_by_layer(way, tmp_path, untraced):
    prepare, pruning = WAYS[way]
    model = nets.compiled(nets.build("sequential"), "sgd", run_eagerly=True)
    if prepare is not None:
        prepare(model)
    log = callbacks.DensityLog(tmp_path)
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    made = (make() for make in pruning)
    history = fit(model, *nets.inputs_of(model), *made, log, board, epochs=EPOCHS, steps=2)

    masks = {entry.name: effective_mask(entry) for entry in tt.masked_weights(model)}
    kept = sum(int(mask.sum()) for mask in masks.values())
    assert log.history[-1] == {name: mask.mean() for name, mask in masks.items()}
    assert len(log.history) == EPOCHS and history["density"][-1] == kept / 72
    assert kept < 72
    seen = curves(tmp_path / "train")
    for name in masks:
        shown = [seen[f"density/{name}"][epoch] for epoch in range(EPOCHS)]
        np.testing.assert_array_equal(shown, np.float32([row[name] for row in log.history]))
    np.testing.assert_array_equal(list(seen["density/total"].values()), np.float32(history["density"]))
    # Keras's own callback, which stands behind, has it from the logs.
    np.testing.assert_array_equal(list(seen["epoch_density"].values()), np.float32(history["density"]))


@pytest.mark.slow
def test_densities_are_those_of_their_epoch(untraced):
    model = nets.compiled(nets.build("sequential"), "sgd", run_eagerly=True)
    log = callbacks.DensityLog()
    history = fit(model, *nets.inputs_of(model), callbacks.MagnitudePruning(0.5, epoch=1), log, epochs=2)
    assert history["density"] == [1.0, 0.5]
    assert list(log.history[0].values()) == [1.0, 1.0]


def test_layers_go_into_the_logs_where_that_is_asked_for(untraced):
    model = nets.compiled(nets.build("sequential"), "sgd", run_eagerly=True)
    tt.prune(model, "random", 0.5)
    log = callbacks.DensityLog(layers_in_logs=True)
    history = fit(model, *nets.inputs_of(model), log)
    names = [f"density/{entry.name}" for entry in tt.masked_weights(model)]
    assert [name for name in history if name.startswith("density/")] == names
    assert [history[name][0] for name in names] == list(log.history[0].values())


def test_a_model_without_masks_is_refused_before_its_first_step(untraced):
    model = nets.compiled(nets.build("sequential"), "sgd", run_eagerly=True)
    with pytest.raises(ValueError, match=r"'sequential' has no masks.*Prune it first"):
        fit(model, *nets.inputs_of(model), callbacks.DensityLog())
    assert int(np.asarray(model.optimizer.iterations)) == 0
