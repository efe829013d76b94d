"""Searches in our trainer: stopped anywhere and started again, or called at another pace, the same bits."""

import keras
import pytest

import tf_tickets as tt
from tests import nets
from tests.training.test_resuming import Stop, StopAfter, assert_same_bits
from tests.training.test_trainer import batches, steps
from tf_tickets.layers import value_of
from tf_tickets.sparse_training import (
    SET,
    AnnealedDensity,
    GraNet,
    RigL,
    edge_popup,
    soft_threshold,
)
from tf_tickets.training import SGD, Checkpoints, Trainer

EPOCHS, SIZE = 2, 6  # of 22 examples: 4 steps an epoch, the last one short


# What is done to the pruned model, the callbacks, and after how many calls a training is stopped. Masks move
# after steps 2 and 4, and where that goes on beyond three quarters of the training after 6; a level begins
# after 4. What is saved is one call less than was made: the step before an update, the update.
SEARCHES = {
    "rigl": (None, lambda: [RigL(frequency=2, drop_fraction=0.5)], (2, 2)),
    "set": (None, lambda: [SET(frequency=2, drop_fraction=0.5)], (4,)),
    "granet": (None, lambda: [GraNet(sparsity=0.7, frequency=2, end_step=3)], (4,)),
    "soft threshold": (lambda model: soft_threshold(model, initial_value=-3.0), list, (4,)),
    "edge-popup": (lambda model: edge_popup(model, 0.8), lambda: [AnnealedDensity(0.4, levels=2)], (5,)),
}


def train(name, folder, *extra, steps_per_call=1):
    """Trains from the start, or from where the folder says; the history and everything's bits."""
    change, callbacks, _ = SEARCHES[name]
    model = nets.build("sequential")
    tt.prune(model, "er", sparsity=0.5)
    if change:
        change(model)
    x, y = nets.inputs_of(model, count=22)
    optimizer = SGD(0.05, momentum=0.9, weight_decay=1e-2)
    if name == "granet":
        # Steps that overflow are none of the optimizer's, which counts less than the batches.
        x, optimizer = 20 * x, keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**127)
    trainer = Trainer(model, optimizer, steps_per_call=steps_per_call)
    history = trainer.fit(
        batches(x, y, SIZE),
        range(EPOCHS),
        steps(x, SIZE),
        callbacks=[*callbacks(), *extra],
        checkpoints=Checkpoints(folder, {}, minutes=0.0),
    )
    assert (int(trainer.optimizer.iterations) < EPOCHS * 4) == (name == "granet")
    return history, [value_of(variable) for variable in [*model.variables, *trainer.optimizer.variables]]


@pytest.mark.slow
@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("name", SEARCHES)
def test_it_goes_on_to_the_same_bits_and_at_any_pace(name, tmp_path):
    whole = train(name, tmp_path / "whole", steps_per_call=None)
    for calls in SEARCHES[name][2]:
        with pytest.raises(Stop):
            train(name, tmp_path / "cut", StopAfter(calls))
    assert_same_bits(train(name, tmp_path / "cut"), whole)
