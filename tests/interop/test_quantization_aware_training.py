"""tfmot's quantisation-aware training of a twin, and Keras's own quantisation: what becomes of the zeros."""

import keras  # before tensorflow_model_optimization, which would have its own way with tf.keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_tickets as tt
from tests import nets
from tf_tickets import interop

LAYERS = keras.layers


@pytest.fixture(scope="module")
def tfmot():
    return pytest.importorskip("tensorflow_model_optimization")


def preserving(tfmot, twin):
    from tensorflow_model_optimization.python.core.quantization.keras.collab_opts import prune_preserve

    scheme = (
        prune_preserve.default_8bit_prune_preserve_quantize_scheme.Default8BitPrunePreserveQuantizeScheme()
    )
    quantization = tfmot.quantization.keras
    return quantization.quantize_apply(quantization.quantize_annotate_model(twin), scheme)


def residual():
    """A tiny residual network with masks, whose statistics are no longer those of the beginning."""

    def normalized(x):
        return tt.layers.BatchNormalization()(LAYERS.Conv2D(4, 3, padding="same", use_bias=False)(x))

    inputs = keras.Input((8, 8, 1))
    x = LAYERS.ReLU()(normalized(inputs))
    x = LAYERS.ReLU()(LAYERS.Add()([normalized(x), x]))
    outputs = LAYERS.Dense(3)(LAYERS.GlobalAveragePooling2D()(x))
    model = nets.hide(keras.Model(inputs, outputs, name="residual"), keep=0.3)
    model(np.random.default_rng(0).normal(size=(64, 8, 8, 1)).astype("float32"), training=True)
    return model


def trained(model, steps=3):
    x, y = np.random.default_rng(0).normal(size=(16, 8, 8, 1)).astype("float32"), np.arange(16) % 3
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(0.01), loss, run_eagerly=True)
    model.fit(x, y, epochs=steps, batch_size=16, verbose=0)
    return model


@pytest.mark.slow
class TestTwins:
    def test_training_keeps_every_zero_and_litert_has_them_all(self, tfmot):
        model = residual()
        twin = interop.to_tf_keras(model)
        quantized = trained(interop.calibrate(preserving(tfmot, twin), np.ones((8, 8, 8, 1), "float32")))
        assert interop.lost_zeros(twin, quantized) == {}
        converter = tf.lite.TFLiteConverter.from_keras_model(quantized)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        interpreter = tf.lite.Interpreter(model_content=converter.convert())
        interpreter.allocate_tensors()
        kernels = [
            interpreter.get_tensor(each["index"])
            for each in interpreter.get_tensor_details()
            if each["dtype"] == np.int8 and "LastValueQuant" in each["name"] and "Bias" not in each["name"]
        ]
        hidden = [(~mask).sum() for mask in nets.masks(model)]
        assert len(kernels) == len(hidden)
        assert sum((x == 0).sum() for x in kernels) >= sum(hidden)

    def test_plain_training_loses_them_and_that_is_counted(self, tfmot):
        twin = interop.to_tf_keras(residual())
        zeros = {x.name: int((x.kernel.numpy() == 0).sum()) for x in twin.layers if hasattr(x, "kernel")}
        lost = interop.lost_zeros(twin, trained(tfmot.quantization.keras.quantize_model(twin)))
        assert lost.keys() <= zeros.keys() and sum(lost.values()) > 0.5 * sum(zeros.values())

    def test_a_kernel_whose_relu_is_a_layer_of_its_own_loses_them(self, tfmot):
        layers = [keras.Input((8, 8, 1)), LAYERS.Conv2D(4, 3, name="apart"), LAYERS.ReLU()]
        layers += [LAYERS.Conv2D(4, 3, activation="relu", name="within"), LAYERS.Flatten(), LAYERS.Dense(3)]
        twin = interop.to_tf_keras(nets.hide(keras.Sequential(layers)))
        assert interop.lost_zeros(twin, trained(preserving(tfmot, twin))).keys() == {"apart"}

    def test_calibrated_ranges_are_those_of_the_activations(self, tfmot):
        inputs = keras.Input((4,))
        x = LAYERS.Dense(8, activation="relu", name="first")(inputs)
        twin = interop.to_tf_keras(keras.Model(inputs, LAYERS.Dense(3, name="last")(x)))
        x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32") * 20
        quantized = interop.calibrate(preserving(tfmot, twin), x)
        found = {w.name: float(w) for w in quantized.weights if "post_activation_" in w.name}
        first = twin.get_layer("first")(x).numpy()
        assert found["quant_first/post_activation_max:0"] == pytest.approx(first.max(), rel=0.03)
        assert found["quant_first/post_activation_min:0"] == pytest.approx(0, abs=1e-3)
        assert found["quant_last/post_activation_min:0"] == pytest.approx(twin(x).numpy().min(), rel=0.05)

    def test_calibration_changes_nothing_else(self, tfmot):
        quantized = preserving(tfmot, interop.to_tf_keras(residual()))
        before = {x.name: x.numpy() for x in quantized.weights}
        interop.calibrate(quantized, np.ones((8, 8, 8, 1), "float32"))
        changed = {x.name for x in quantized.weights if not np.array_equal(x.numpy(), before[x.name])}
        assert changed and all(x.endswith(("_min:0", "_max:0")) for x in changed)


def test_what_is_no_twin_is_refused():
    twin = interop.to_tf_keras(nets.build("sequential"))
    with pytest.raises(TypeError, match=r"calibrate takes a model of tf_keras. Received: Sequential"):
        interop.calibrate(nets.build("sequential"), np.ones((1, 6)))
    with pytest.raises(ValueError, match="has no ranges of activations"):
        interop.calibrate(twin, np.ones((1, 6)))
    with pytest.raises(ValueError, match="rounds"):
        interop.calibrate(twin, np.ones((1, 6)), rounds=0)
    with pytest.raises(TypeError, match=r"lost_zeros takes a model of tf_keras. Received: str"):
        interop.lost_zeros(twin, "model")
    with pytest.raises(ValueError, match="has not the kernels of layer 'dense"):
        interop.lost_zeros(twin, interop.to_tf_keras(nets.build("functional")))


def test_zeros_that_are_gone_are_counted_by_layer():
    model = nets.hide(nets.build("sequential"))
    twin, other = interop.to_tf_keras(model), interop.to_tf_keras(model)
    assert interop.lost_zeros(twin, other) == {}
    first = other.layers[1]
    first.kernel.assign_add(tf.ones_like(first.kernel))
    assert interop.lost_zeros(twin, other) == {first.name: int((~nets.masks(model)[0]).sum())}


QUANTIZED_BY_KERAS = {
    "Dense": (LAYERS.Dense(8, activation="relu"), (6,), "float32"),
    "EinsumDense": (LAYERS.EinsumDense("abc,cd->abd", (None, 5)), (4, 3), "float32"),
    "Embedding": (LAYERS.Embedding(9, 4), (5,), "int32"),
}


@pytest.mark.parametrize("kind", QUANTIZED_BY_KERAS)
@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`:UserWarning")
def test_keras_quantizes_a_folded_model_and_keeps_its_zeros(kind):
    layer, shape, dtype = QUANTIZED_BY_KERAS[kind]
    inputs = keras.Input(shape, dtype=dtype)
    model = keras.Model(inputs, layer(inputs))
    tt.mask_layers(model, include=[layer])  # embeddings are masked on request
    (mask,) = nets.masks(nets.hide(model))
    tt.fold(model).quantize("int8")
    (values,) = (np.asarray(x) for x in layer.variables if x.dtype == "int8")
    assert not values[~mask].any()
    assert np.count_nonzero(values[mask]) > 0.9 * mask.sum()
