"""The small net of the fixtures, 1,784 prunable weights, and the data that belong to it.

The fixtures were made by running the pruning papers' PyTorch code on this net, so a test which
builds it here can compare scores, masks and training steps number by number.
"""

from pathlib import Path

import keras
import numpy as np

from tf_tickets.layers import BatchNormalization

FIXTURES = Path(__file__).parent / "fixtures"
PRUNABLE = ("conv1", "conv2", "conv3", "fc")
NORMALIZATIONS = ("bn1", "bn2")


def build(dtype: str = "float32", normalization: type[keras.Layer] = BatchNormalization) -> keras.Model:
    """The functional model, logits out, with the fixtures' weights.

    Args:
        dtype: precision of every layer and variable, `"float32"` or `"float64"`.
        normalization: the batch normalization class.
    """

    def convolution(filters, size, **options):
        return keras.layers.Conv2D(filters, size, use_bias=False, dtype=dtype, **options)

    def normalize(name):
        return normalization(momentum=0.9, epsilon=1e-5, dtype=dtype, name=name)

    inputs = x = keras.Input((16, 16, 3), dtype=dtype, name="images")
    x = convolution(8, 3, padding="same", name="conv1")(x)
    x = normalize("bn1")(x)
    x = keras.layers.ReLU(dtype=dtype, name="relu1")(x)
    x = keras.layers.ZeroPadding2D(1, dtype=dtype, name="pad2")(x)
    x = convolution(16, 3, strides=2, name="conv2")(x)
    x = normalize("bn2")(x)
    x = keras.layers.ReLU(dtype=dtype, name="relu2")(x)
    x = convolution(16, 1, name="conv3")(x)
    x = keras.layers.GlobalAveragePooling2D(dtype=dtype, name="average")(x)
    model = keras.Model(inputs, keras.layers.Dense(10, dtype=dtype, name="fc")(x), name="smallnet")
    load_weights(model)
    return model


def load_weights(model: keras.Model) -> None:
    """Puts the fixtures' weights and statistics into a model with the small net's layer names."""
    weights = fixture("smallnet_weights")
    for layer in model.layers:
        for variable in layer.variables:
            variable.assign(weights[f"keras/{layer.name}/{variable.name}"])


def batch(dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    """The 40 images `(40, 16, 16, 3)` and their labels `(40,)`, sorted, four of each class."""
    arrays = fixture("smallnet_batch")
    return arrays["x_nhwc"].astype(dtype), arrays["y"].astype("int32")


def masks(scores: str, sparsity: float) -> dict[str, np.ndarray]:
    """Bool masks by layer name, True where kept, from a fixture such as `"snip_float64"`."""
    arrays = fixture(scores)
    return {name: arrays[f"keras/mask/{sparsity}/{name}"].astype(bool) for name in PRUNABLE}


def fixture(name: str) -> dict[str, np.ndarray]:
    """All arrays of `fixtures/NAME.npz`; keys `keras/...` are in Keras layout."""
    with np.load(FIXTURES / f"{name}.npz", allow_pickle=False) as arrays:
        return dict(arrays)
