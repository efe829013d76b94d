"""Outputs that are removed from a trained network give nothing: a smaller one carries no constants."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests.replicas import two_replicas
from tests.runs import short
from tf_tickets.layers import masked_weights
from tf_tickets.pruning import silence_removed_outputs

CHANNEL = {"pattern": "channel", "ratios": "uniform"}


def as_trained(model):
    """The model with other biases, shifts and means than it has at first."""
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.ndim == 1 and variable.name != "moving_variance":
            variable.assign(rng.uniform(0.5, 1.0, variable.shape))
    return model


def network(normalized=True, bias=False):
    inputs = x = keras.Input((6, 6, 2))
    for filters in (8, 8):
        x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=bias)(x)
        x = keras.layers.BatchNormalization()(x) if normalized else x
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return as_trained(keras.Model(inputs, keras.layers.Dense(3)(x)))


def constants(model):
    """Biases, shifts and means, by their places."""
    return [value for value in model.get_weights() if value.ndim == 1]


@pytest.mark.slow
@pytest.mark.parametrize(("normalized", "bias"), [(True, False), (False, True), (True, True)])
def test_a_compacted_network_needs_no_channels_for_constants(normalized, bias):
    model = network(normalized, bias)
    tt.prune(model, "magnitude", 0.5, **CHANNEL)
    assert tt.compact(model).compaction.carriers > 0
    assert silence_removed_outputs(model) >= 8
    small = tt.compact(model)
    assert small.compaction.carriers == 0
    assert [layer.filters for layer in small.layers if hasattr(layer, "filters")] == [4, 4]


def test_what_is_kept_stays_as_it_is():
    model = network()
    before = constants(model)
    ticket = tt.prune(model, "magnitude", 0.5, **CHANNEL)
    silence_removed_outputs(model)
    now = constants(model)
    for layer, mask in enumerate(ticket.masks[:2]):
        kept, first = mask.any(axis=(0, 1, 2)), 4 * layer  # scale, shift, mean, variance
        for place in (first + 1, first + 2):
            np.testing.assert_array_equal(now[place], np.where(kept, before[place], 0))
        for place in (first, first + 3):
            np.testing.assert_array_equal(now[place], before[place])
    assert silence_removed_outputs(model) == 0, "which is done once"


def test_a_normalization_that_others_read_too_is_left_alone():
    inputs = keras.Input((6, 6, 2))
    shared = keras.layers.BatchNormalization()
    first, second = (
        shared(keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)) for _ in range(2)
    )
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Concatenate()([first, second]))
    model = as_trained(keras.Model(inputs, keras.layers.Dense(3)(pooled)))
    before = shared.get_weights()
    tt.mask_layers(model)
    mask = masked_weights(model)[0].mask
    mask.assign((np.arange(8) > 0) & np.ones(mask.shape, bool))
    assert silence_removed_outputs(model) == 0
    for value, now in zip(before, shared.get_weights(), strict=True):
        np.testing.assert_array_equal(now, value)


def test_what_a_layer_cannot_do_without_stays():
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(8, 3, padding="same", activation="softmax")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization()(x))
    model = as_trained(keras.Model(inputs, keras.layers.Dense(3)(x)))
    before = constants(model)
    tt.mask_layers(model)
    mask = masked_weights(model)[0].mask
    mask.assign((np.arange(8) > 0) & np.ones(mask.shape, bool))
    assert silence_removed_outputs(model) == 0
    assert all((a == b).all() for a, b in zip(before, constants(model), strict=True))


@pytest.mark.slow
def test_two_replicas_do_as_one():
    with two_replicas().scope():
        model = network()
        tt.prune(model, "magnitude", 0.5, **CHANNEL)
    assert silence_removed_outputs(model) >= 8
    assert tt.compact(model).compaction.carriers == 0


def conv(**options):
    return keras.layers.Conv2D(8, 3, padding="same", **options)


def normalized(x):
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))


def two_readers(x):
    return keras.layers.Concatenate()([normalized(x), normalized(x)])


OTHERS = {
    "two normalisations": lambda x: two_readers(conv()(x)),
    "an activation between": lambda x: normalized(keras.layers.ReLU()(conv(use_bias=False)(x))),
    "dropout between": lambda x: normalized(keras.layers.SpatialDropout2D(0.1)(conv()(x))),
    "pooling between": lambda x: normalized(keras.layers.MaxPooling2D()(conv()(x))),
    "a sigmoid before": lambda x: normalized(conv(activation="sigmoid")(x)),
    "a depthwise convolution behind": lambda x: normalized(
        keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(normalized(conv()(x)))
    ),
    "no shift": lambda x: keras.layers.ReLU()(keras.layers.BatchNormalization(center=False)(conv()(x))),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", OTHERS)
def test_whatever_is_between_nothing_is_left(form):
    inputs = keras.Input((6, 6, 2))
    x = conv()(OTHERS[form](inputs))
    model = as_trained(keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))))
    tt.prune(model, "magnitude", 0.5, **CHANNEL)
    assert silence_removed_outputs(model) > 0
    assert silence_removed_outputs(model) == 0
    assert tt.compact(model).compaction.carriers == 0


def test_a_normalization_of_another_axis_is_left_alone():
    inputs = keras.Input((8, 6, 2))
    x = keras.layers.BatchNormalization(axis=1)(conv(use_bias=False)(inputs))
    model = as_trained(keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))))
    tt.mask_layers(model)
    mask = masked_weights(model)[0].mask
    mask.assign((np.arange(8) > 1) & np.ones(mask.shape, bool))
    before = constants(model)
    assert silence_removed_outputs(model) == 0
    assert all((a == b).all() for a, b in zip(before, constants(model), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "averaged"])
def test_an_optimizer_does_not_bring_them_back(optimizer):
    made = {
        "sgd": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
        "adam": lambda: keras.optimizers.Adam(0.05),
        "averaged": lambda: keras.optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_overwrite_frequency=1),
    }[optimizer]()
    model = network()
    x, y = np.random.default_rng(0).normal(size=(32, 6, 6, 2)), np.random.default_rng(1).normal(size=(32, 3))
    model.compile(made, "mse", run_eagerly=True)
    model.fit(x, y, epochs=2, verbose=0)
    tt.prune(model, "magnitude", 0.5, **CHANNEL)
    assert silence_removed_outputs(model) > 0
    model.fit(x, y, epochs=2, verbose=0)
    assert silence_removed_outputs(model) == 0


def fit(model, **options):
    rng = np.random.default_rng(0)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", run_eagerly=True)
    model.fit(rng.normal(size=(32, 6, 6, 2)), rng.normal(size=(32, 3)), epochs=2, verbose=0, **options)


@pytest.mark.slow
def test_training_goes_on_without_them():
    model = network()
    tt.prune(model, "magnitude", 0.5, **CHANNEL)
    silence_removed_outputs(model)
    fit(model)
    assert tt.compact(model).compaction.carriers == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "callback",
    [
        lambda: tt.callbacks.IterativeMagnitudePruning(0.5, 1, 1, rewind="none", **CHANNEL),
        lambda: tt.callbacks.HybridPruning(0.5, epoch=1, pattern="channel"),
    ],
    ids=["rounds", "hybrid"],
)
def test_callbacks_go_on_without_them(callback):
    model = network()
    fit(model, callbacks=[callback()])
    assert tt.compact(model).compaction.carriers == 0


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hybrid", "snip"])
def test_a_run_says_how_many_gave_one(tmp_path, method):
    flags = (f"--method={method}", "--sparsity=0.5", "--pattern=channel", "--ratios=uniform")
    _, screen = short(tmp_path / "run", *flags, "--model=resnet8", "--width=0.25")
    assert "of removed outputs set to zero" in screen
    assert ("\n  0 constants of" in screen) == (method == "snip")
