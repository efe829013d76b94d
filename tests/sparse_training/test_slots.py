"""What Keras's optimizers keep for a weight, and the value of each for one that was never trained."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests.sparse_training.small import perceptron
from tf_tickets.sparse_training.slots import moving_slots

optimizers = keras.optimizers
SLOTS = {
    "SGD": (optimizers.SGD, {}),
    "SGD with momentum": (lambda: optimizers.SGD(momentum=0.9), {"momentum": 0}),
    "Adam": (optimizers.Adam, {"momentum": 0, "velocity": 0}),
    "AMSGrad": (lambda: optimizers.Adam(amsgrad=True), {"momentum": 0, "velocity": 0, "velocity_hat": 0}),
    "Adagrad": (lambda: optimizers.Adagrad(initial_accumulator_value=0.3), {"accumulator": 0.3}),
    "Ftrl": (optimizers.Ftrl, {"accumulator": 0.1, "linear": 0}),
    "Lion": (optimizers.Lion, {"momentum": 0}),
    "Nadam": (optimizers.Nadam, {"momentum": 0, "velocity": 0}),
    "Adadelta": (optimizers.Adadelta, {"accumulated_grad": 0, "accumulated_delta_var": 0}),
    "an average": (lambda: optimizers.SGD(use_ema=True), {"average": 0}),
    "a gathered gradient": (
        lambda: optimizers.SGD(gradient_accumulation_steps=2),
        {"gradient_accumulator": 0},
    ),
    "inside of loss scaling": (
        lambda: optimizers.LossScaleOptimizer(optimizers.RMSprop(momentum=0.9)),
        {"velocity": 0, "momentum": 0},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOTS)
def test_each_slot_is_found_by_weight_with_its_fresh_value(name):
    make, expected = SLOTS[name]
    model, _, _ = perceptron(make())
    entries = tt.masked_weights(model)[::-1]  # in the order that was asked for
    for entry, slots in zip(entries, moving_slots(model, [entry.weight for entry in entries]), strict=True):
        label = entry.weight.path.replace("/", "_")
        fresh = {slot.variable.name.removeprefix(f"{label}_"): slot.fresh for slot in slots}
        assert fresh == pytest.approx(expected)
        assert all(slot.variable.shape == entry.weight.shape for slot in slots)
        for slot in slots:
            np.testing.assert_array_equal(slot.variable, np.full(entry.shape, slot.fresh, np.float32))


def test_rows_and_columns_cannot_be_forgotten_in_part():
    model, _, _ = perceptron(optimizers.Adafactor())
    with pytest.raises(ValueError, match=r"Adafactor keeps .* of shape .* not a value for each weight"):
        moving_slots(model, [entry.weight for entry in tt.masked_weights(model)])


def test_a_weight_that_is_not_trained_has_none():
    model, _, _ = perceptron()
    model.layers[1].trainable = False
    with pytest.raises(ValueError, match="kernel is not trained by the optimizer"):
        moving_slots(model, [entry.weight for entry in tt.masked_weights(model)])
