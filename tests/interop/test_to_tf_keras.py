"""The tf_keras twin of a model: equal outputs, equal configs, and what is refused before anything is made."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_tickets as tt
from tests import nets
from tf_tickets import interop
from tf_tickets.compaction.output_difference import random_array
from tf_tickets.interop import tf_keras_layers

LAYERS = keras.layers
SEQUENCE, IMAGE, VOLUME = (6, 4), (8, 8, 4), (6, 6, 6, 2)
MOST_LAYERS = 20  # of a network that is converted as a whole; what comes after them repeats them


def one(layer, shape, dtype="float32"):
    """A model of one layer."""
    inputs = keras.Input(shape, dtype=dtype)
    return randomized(keras.Model(inputs, layer(inputs)))


def several(layer, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs, layer(inputs))


def randomized(model, seed=0):
    """No weight is where it starts: moving statistics, biases and scales included."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.dtype.startswith("float"):
            variable.assign(rng.uniform(0.2, 1, variable.shape))
    return model


def outputs(model, x):
    return np.asarray(model(x, training=False))


def random_inputs(model, seed=0):
    rng = np.random.default_rng(seed)
    made = [random_array(rng, (3, *x.shape[1:]), x.dtype) for x in keras.tree.flatten(model.inputs)]
    return made[0] if len(made) == 1 else made


# Row of the table -> models of one such layer, with as much of its config as computes something else.
EXAMPLES = {
    "Dense": [(LAYERS.Dense(3, activation="gelu", use_bias=False), SEQUENCE)],
    "EinsumDense": [(LAYERS.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d"), SEQUENCE)],
    "Embedding": [(LAYERS.Embedding(7, 3), (5,), "int32")],
    "Conv1D": [(LAYERS.Conv1D(3, 3, padding="causal", dilation_rate=2, activation="silu"), SEQUENCE)],
    "Conv2D": [
        (LAYERS.Conv2D(4, (3, 2), strides=2, padding="same", groups=2, activation="elu"), IMAGE),
        (LAYERS.Conv2D(3, 3, dilation_rate=2, use_bias=False), IMAGE),
    ],
    "Conv3D": [(LAYERS.Conv3D(3, 2, strides=(1, 2, 2), padding="same"), VOLUME)],
    "Conv1DTranspose": [(LAYERS.Conv1DTranspose(3, 3, strides=2, padding="same"), SEQUENCE)],
    "Conv2DTranspose": [
        (LAYERS.Conv2DTranspose(3, 3, strides=2, padding="same"), IMAGE),
        (LAYERS.Conv2DTranspose(3, 3, strides=2, output_padding=1), IMAGE),
    ],
    "Conv3DTranspose": [(LAYERS.Conv3DTranspose(3, 2, strides=2), VOLUME)],
    "DepthwiseConv1D": [(LAYERS.DepthwiseConv1D(3, depth_multiplier=2), SEQUENCE)],
    "DepthwiseConv2D": [
        (LAYERS.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2, activation="relu"), IMAGE)
    ],
    "SeparableConv1D": [(LAYERS.SeparableConv1D(3, 3, depth_multiplier=2), SEQUENCE)],
    "SeparableConv2D": [(LAYERS.SeparableConv2D(3, 3, padding="same", depth_multiplier=2), IMAGE)],
    "BatchNormalization": [
        (LAYERS.BatchNormalization(epsilon=0.3, momentum=0.7, scale=False), IMAGE),
        (LAYERS.BatchNormalization(axis=1, epsilon=0.3, center=False), SEQUENCE),
        (tt.layers.BatchNormalization(), IMAGE),
    ],
    "LayerNormalization": [(LAYERS.LayerNormalization(axis=(1, 2), epsilon=0.3), SEQUENCE)],
    "GroupNormalization": [(LAYERS.GroupNormalization(groups=2, epsilon=0.3), IMAGE)],
    "UnitNormalization": [(LAYERS.UnitNormalization(axis=1), SEQUENCE)],
    "SimpleRNN": [(LAYERS.SimpleRNN(3, go_backwards=True), SEQUENCE)],
    "GRU": [
        (LAYERS.GRU(3, return_sequences=True), SEQUENCE),
        (LAYERS.GRU(3, reset_after=False, activation="relu"), SEQUENCE),
    ],
    "LSTM": [(LAYERS.LSTM(3, return_sequences=True, recurrent_activation="softsign"), SEQUENCE)],
    "Bidirectional": [(LAYERS.Bidirectional(LAYERS.LSTM(3), merge_mode="sum"), SEQUENCE)],
    "TimeDistributed": [(LAYERS.TimeDistributed(LAYERS.Dense(3, activation="relu")), SEQUENCE)],
    "MaxPooling1D": [(LAYERS.MaxPooling1D(2, strides=1), SEQUENCE)],
    "MaxPooling2D": [(LAYERS.MaxPooling2D((2, 3), strides=2, padding="same"), IMAGE)],
    "MaxPooling3D": [(LAYERS.MaxPooling3D(), VOLUME)],
    "AveragePooling1D": [(LAYERS.AveragePooling1D(2, strides=1), SEQUENCE)],
    "AveragePooling2D": [(LAYERS.AveragePooling2D((2, 3), strides=2, padding="same"), IMAGE)],
    "AveragePooling3D": [(LAYERS.AveragePooling3D(2), VOLUME)],
    "GlobalAveragePooling1D": [(LAYERS.GlobalAveragePooling1D(), SEQUENCE)],
    "GlobalAveragePooling2D": [(LAYERS.GlobalAveragePooling2D(keepdims=True), IMAGE)],
    "GlobalAveragePooling3D": [(LAYERS.GlobalAveragePooling3D(), VOLUME)],
    "GlobalMaxPooling1D": [(LAYERS.GlobalMaxPooling1D(), SEQUENCE)],
    "GlobalMaxPooling2D": [(LAYERS.GlobalMaxPooling2D(data_format="channels_first"), IMAGE)],
    "GlobalMaxPooling3D": [(LAYERS.GlobalMaxPooling3D(), VOLUME)],
    "ZeroPadding1D": [(LAYERS.ZeroPadding1D((1, 2)), SEQUENCE)],
    "ZeroPadding2D": [(LAYERS.ZeroPadding2D(((1, 2), (0, 1))), IMAGE)],
    "ZeroPadding3D": [(LAYERS.ZeroPadding3D(1), VOLUME)],
    "Cropping1D": [(LAYERS.Cropping1D((1, 2)), SEQUENCE)],
    "Cropping2D": [(LAYERS.Cropping2D(((1, 2), (0, 1))), IMAGE)],
    "Cropping3D": [(LAYERS.Cropping3D(1), VOLUME)],
    "UpSampling1D": [(LAYERS.UpSampling1D(2), SEQUENCE)],
    "UpSampling2D": [(LAYERS.UpSampling2D((2, 3), interpolation="bilinear"), IMAGE)],
    "UpSampling3D": [(LAYERS.UpSampling3D(2), VOLUME)],
    "Flatten": [(LAYERS.Flatten(data_format="channels_first"), IMAGE)],
    "Reshape": [(LAYERS.Reshape((-1, 3)), SEQUENCE)],
    "Permute": [(LAYERS.Permute((2, 1)), SEQUENCE)],
    "RepeatVector": [(LAYERS.RepeatVector(3), (4,))],
    "Masking": [(LAYERS.Masking(0.5), SEQUENCE)],
    "Identity": [(LAYERS.Identity(), SEQUENCE)],
    "Dropout": [(LAYERS.Dropout(0.5, seed=1), SEQUENCE)],
    "SpatialDropout1D": [(LAYERS.SpatialDropout1D(0.5), SEQUENCE)],
    "SpatialDropout2D": [(LAYERS.SpatialDropout2D(0.5), IMAGE)],
    "SpatialDropout3D": [(LAYERS.SpatialDropout3D(0.5), VOLUME)],
    "GaussianDropout": [(LAYERS.GaussianDropout(0.5), SEQUENCE)],
    "GaussianNoise": [(LAYERS.GaussianNoise(0.5), SEQUENCE)],
    "AlphaDropout": [(LAYERS.AlphaDropout(0.5), SEQUENCE)],
    "ActivityRegularization": [(LAYERS.ActivityRegularization(l1=0.1), SEQUENCE)],
    "Activation": [(LAYERS.Activation(name), SEQUENCE) for name in tf_keras_layers.ACTIVATIONS],
    "ReLU": [(LAYERS.ReLU(max_value=0.7, negative_slope=0.2, threshold=0.1), SEQUENCE)],
    "LeakyReLU": [(LAYERS.LeakyReLU(0.1), SEQUENCE)],
    "ELU": [(LAYERS.ELU(0.5), SEQUENCE)],
    "PReLU": [(LAYERS.PReLU(shared_axes=[1]), SEQUENCE)],
    "Softmax": [(LAYERS.Softmax(axis=1), SEQUENCE)],
    "Rescaling": [(LAYERS.Rescaling(0.5, offset=2.0), SEQUENCE)],
}
# Those that take several tensors.
MERGING = {
    "Add": LAYERS.Add(),
    "Subtract": LAYERS.Subtract(),
    "Multiply": LAYERS.Multiply(),
    "Average": LAYERS.Average(),
    "Maximum": LAYERS.Maximum(),
    "Minimum": LAYERS.Minimum(),
    "Concatenate": LAYERS.Concatenate(axis=1),
    "Dot": LAYERS.Dot(axes=2, normalize=True),
}


def attention():
    query, value = keras.Input((5, 4)), keras.Input((6, 4))
    layer = LAYERS.MultiHeadAttention(2, 3, value_dim=5)
    return keras.Model([query, value], layer(query, value))


def examples():
    for name, cases in EXAMPLES.items():
        for number, case in enumerate(cases):
            marks = [pytest.mark.slow] * (name == "Bidirectional")
            yield pytest.param(lambda case=case: one(*case), id=f"{name}-{number}", marks=marks)
    for name, layer in MERGING.items():
        yield pytest.param(lambda layer=layer: several(layer, SEQUENCE, SEQUENCE), id=name)
    yield pytest.param(lambda: randomized(attention()), id="MultiHeadAttention")


def test_every_row_has_an_example():
    assert {*EXAMPLES, *MERGING, "MultiHeadAttention"} == tf_keras_layers.LAYERS.keys()


@pytest.mark.parametrize("build", [*examples()])
def test_outputs_are_equal(build):
    model = build()
    twin = interop.to_tf_keras(model)
    assert isinstance(twin, tf_keras.Model)
    x = random_inputs(model)
    np.testing.assert_allclose(outputs(twin, x), outputs(model, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "shape", "width"),
    [
        pytest.param("resnet8", (8, 8, 1), 0.5, marks=pytest.mark.slow),
        pytest.param("vgg11", (16, 16, 3), 0.2, marks=pytest.mark.slow),
        ("lenet_300_100", (8, 8, 1), 1.0),
        ("mlp_bn_16_16", (8,), 1.0),
        pytest.param("keras:MobileNetV2", (32, 32, 3), 1.0, marks=pytest.mark.slow),  # its first blocks
    ],
)
def test_networks_of_ours_convert_with_their_masks(name, shape, width):
    model = tt.models.build(name, shape, 10, width=width)
    if len(model.layers) > MOST_LAYERS:
        model = keras.Model(model.inputs, model.layers[MOST_LAYERS].output)
    model = nets.hide(model)
    twin = interop.to_tf_keras(model)
    x = random_inputs(model)
    np.testing.assert_allclose(outputs(twin, x), outputs(model, x), rtol=1e-4, atol=1e-5)
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    for entry in tt.masked_weights(model):
        there = twin.get_layer(entry.layer.name).get_weights()[0]
        np.testing.assert_array_equal(there != 0, nets.value_of(entry.mask) & (np.asarray(entry.weight) != 0))


@pytest.mark.slow
def test_the_model_stays_what_it_was():
    model = nets.hide(nets.build("functional"))
    classes = [type(layer) for layer in model.layers]
    before, masks = model.get_weights(), nets.masks(model)
    interop.to_tf_keras(model)
    assert [type(layer) for layer in model.layers] == classes
    nets.assert_equal(model.get_weights(), before)
    nets.assert_equal(nets.masks(model), masks)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sequential", "functional", "nested", "shared"])
def test_models_within_are_taken_apart_and_shared_layers_stay_shared(name):
    model = nets.hide(nets.build(name))
    twin = interop.to_tf_keras(model)
    assert not any(isinstance(layer, tf_keras.Model) for layer in twin.layers)
    assert twin.count_params() == tt.fold(model).count_params()
    x = random_inputs(model)
    np.testing.assert_allclose(outputs(twin, x), outputs(model, x), rtol=1e-5, atol=1e-6)


def test_what_training_goes_by_is_passed_on():
    inputs = keras.Input((8, 8, 3))
    x = LAYERS.Conv2D(4, 3, kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2), trainable=False)(inputs)
    x = LAYERS.BatchNormalization(momentum=0.6, epsilon=0.02, gamma_constraint="non_neg")(x)
    x = LAYERS.Dropout(0.3, seed=3)(x)
    _, convolution, normalization, dropout = interop.to_tf_keras(keras.Model(inputs, x)).layers
    assert convolution.kernel_regularizer.get_config() == pytest.approx({"l1": 0.1, "l2": 0.2})
    assert not convolution.trainable and normalization.trainable
    assert (normalization.momentum, normalization.epsilon) == (0.6, 0.02)
    assert isinstance(normalization.gamma_constraint, tf_keras.constraints.NonNeg)
    assert (dropout.rate, dropout.seed) == (0.3, 3)


def test_structures_dtypes_and_fixed_batches_are_those_of_the_model():
    inputs = {"a": keras.Input((3,), batch_size=2, name="a"), "b": keras.Input((3,), batch_size=2, name="b")}
    policy = keras.DTypePolicy("mixed_bfloat16")
    summed = LAYERS.Dense(2, dtype=policy, name="dense")(LAYERS.Add(name="sum")(list(inputs.values())))
    model = keras.Model(inputs, {"out": summed})
    twin = interop.to_tf_keras(model)
    found = twin({"a": np.ones((2, 3), "float32"), "b": np.ones((2, 3), "float32")})
    assert list(found) == ["out"] and found["out"].dtype == tf.bfloat16 and found["out"].shape == (2, 2)


def mine(x):
    return x


class OwnDense(LAYERS.Dense):
    """A layer of the user's, though it computes what Keras's does."""


REFUSED = {
    "a class that tf_keras has not": (LAYERS.RMSNormalization(), "no layer that computes the same"),
    "a class of the user's": (OwnDense(2), "no layer that computes the same"),
    "code": (LAYERS.Lambda(mine), "no layer that computes the same"),
    "an operation": (lambda x: keras.ops.square(x), r"\(Square\): an operation of keras.ops"),
    "an activation of other values": (LAYERS.Dense(2, "hard_sigmoid"), "no activation='hard_sigmoid'"),
    "an activation of the user's": (LAYERS.Dense(2, mine), "no activation="),
    "what tf_keras knows nothing of": (
        LAYERS.LSTM(2, zero_output_for_mask=True),
        "knows no zero_output_for_mask=True",
    ),
    "a layer within": (LAYERS.Bidirectional(LAYERS.GRU(2, "celu")), "no activation='celu'"),
    "state": (LAYERS.GRU(2, stateful=True), "keeps state between calls"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_equal_is_refused_by_name(case):
    layer, message = REFUSED[case]
    inputs = keras.Input((5, 4), batch_size=2)
    model = keras.Model(inputs, LAYERS.Dense(3, name="fine")(layer(inputs)), name="users")
    with pytest.raises(ValueError, match=message) as caught:
        interop.to_tf_keras(model)
    said = str(caught.value)
    assert said.startswith("Model 'users' has no twin in tf_keras. '") and "'fine'" not in said
    assert "can be converted: Activation, ActivityRegularization, Add" in said


def test_all_that_has_no_equal_is_named_at_once():
    layers = [keras.Input((4,)), LAYERS.RMSNormalization(name="one"), LAYERS.Dense(2, "celu", name="two")]
    with pytest.raises(ValueError, match=r"'one' \(RMSNormalization\).*; 'two' \(Dense\)"):
        interop.to_tf_keras(keras.Sequential(layers))


def test_quantized_models_and_code_are_refused():
    model = nets.build("sequential")
    model.quantize("int8")
    with pytest.raises(ValueError, match="its weights are quantized: int8"):
        interop.to_tf_keras(model)
    with pytest.raises(ValueError, match="is no graph of layers"):
        interop.to_tf_keras(nets.build("subclassed"))
    with pytest.raises(TypeError, match=r"^to_tf_keras takes a keras.Model. Received: str"):
        interop.to_tf_keras("model")


def test_outputs_that_differ_are_an_error_that_says_where(monkeypatch):
    model = nets.build("functional")
    (normalization,) = [layer for layer in model.layers if "normalization" in layer.name]
    make = tf_keras_layers.twin_layer

    def forgetful(layer, name):
        twin = make(layer, name)
        if name == normalization.name:
            twin.epsilon = 0.5
        return twin

    monkeypatch.setattr("tf_tickets.interop.tf_keras_twin.twin_layer", forgetful)
    with pytest.raises(ValueError, match=rf"differ .* \(allowed: 1e-05\), .* most: {normalization.name} 0\."):
        interop.to_tf_keras(model)
