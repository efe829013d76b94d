"""Random networks of all that a compaction knows, with random zeros, biases and statistics."""

import keras
import numpy as np

from tf_tickets.compaction.elementwise import NAMES

LAYERS = keras.layers
ACTIVATIONS = [name for name in NAMES if hasattr(keras.activations, name)]


def network(seed):
    """A model of images or of sequences; the same for the same seed."""
    rng = np.random.default_rng(seed)
    model = (_of_images, _of_images, _of_images, _of_sequences)[rng.integers(4)](rng)
    settle(model, rng)
    return model


def settle(model, rng, density=None):
    """Random zeros in each kernel, also whole channels of them; biases and statistics of any kind."""
    for layer in model._flatten_layers():
        for variable in layer.weights if not layer._layers else []:
            name, shape = variable.name, variable.shape
            if "kernel" in name or name == "embeddings":
                variable.assign(_kernel(rng, shape, density))
            elif name == "moving_variance":
                variable.assign(rng.uniform(0.05, 4, shape))
            elif name == "gamma" and rng.random() < 0.3:
                variable.assign(rng.normal(size=shape) * (rng.random(shape) < 0.7))
            elif name != "seed_generator_state":
                variable.assign(rng.normal(size=shape) * (rng.random() < 0.8))


def _kernel(rng, shape, density):
    density = rng.choice([0.02, 0.1, 0.3, 1.0]) if density is None else density
    values = (
        rng.normal(size=shape) * (rng.random(shape) < density) / np.sqrt(np.prod(shape[:-1]) * density + 1)
    )
    values[..., rng.random(shape[-1]) < 0.2] = 0
    values[..., rng.random(shape[-2]) < 0.2, :] = 0
    return values


def _activation(rng):
    return str(rng.choice(ACTIVATIONS))


def _images_block(x, rng):
    width = int(rng.integers(2, 7))
    size, bias = int(rng.choice([1, 2, 3])), bool(rng.random() < 0.5)
    padding = str(rng.choice(["same", "valid"])) if min(x.shape[1:3]) > 3 else "same"
    form = {"padding": padding, "use_bias": bias}
    kind = rng.integers(5)
    if kind == 0 and x.shape[-1] % 2 == 0:
        return LAYERS.Conv2D(2 * width, size, groups=2, **form)(x)
    if kind == 1:
        return LAYERS.DepthwiseConv2D(size, depth_multiplier=int(rng.integers(1, 3)), **form)(x)
    if kind == 2:
        return LAYERS.SeparableConv2D(width, size, depth_multiplier=int(rng.integers(1, 3)), **form)(x)
    if kind == 3 and x.shape[1] < 12:
        return LAYERS.Conv2DTranspose(width, size, strides=int(rng.integers(1, 3)), **form)(x)
    activation = _activation(rng) if rng.random() < 0.2 else None
    strides = int(rng.integers(1, 3)) if min(x.shape[1:3]) > 3 else 1
    return LAYERS.Conv2D(width, size, strides=strides, activation=activation, **form)(x)


def _after(x, rng):
    if rng.random() < 0.6:
        x = LAYERS.BatchNormalization(center=bool(rng.random() < 0.8), scale=bool(rng.random() < 0.8))(x)
    kind = rng.integers(4)
    if kind == 0:
        return LAYERS.PReLU(shared_axes=[1, 2] if rng.random() < 0.5 else None)(x)
    return x if kind == 1 else LAYERS.Activation(_activation(rng))(x)


def _joined(x, rng):
    """A residual sum, a dense block, or squeeze and excitation."""
    kind, width = rng.integers(4), x.shape[-1]
    if kind == 3:
        scale = LAYERS.GlobalAveragePooling2D(keepdims=True)(x)
        scale = LAYERS.Conv2D(int(rng.integers(1, 4)), 1, activation="relu")(scale)
        return LAYERS.Multiply()([x, LAYERS.Conv2D(width, 1, activation="sigmoid")(scale)])
    y = _after(LAYERS.Conv2D(width, 3, padding="same", use_bias=bool(rng.random() < 0.5))(x), rng)
    if kind == 0:
        return LAYERS.Concatenate()([x, y])
    merge = (LAYERS.Add, LAYERS.Add, LAYERS.Maximum, LAYERS.Subtract, LAYERS.Average, LAYERS.Multiply)
    merged = merge[rng.integers(len(merge))]()([y, x])
    return LAYERS.Activation(_activation(rng))(merged) if rng.random() < 0.5 else merged


def _between(x, rng):
    kind = rng.integers(6)
    if kind == 0 and min(x.shape[1:3]) > 3:
        return (LAYERS.MaxPooling2D, LAYERS.AveragePooling2D)[rng.integers(2)](2, padding="same")(x)
    if kind == 1 and x.shape[1] < 12:
        return LAYERS.ZeroPadding2D(1)(x)
    if kind == 2 and x.shape[1] < 8:
        return LAYERS.UpSampling2D(2)(x)
    return LAYERS.Dropout(0.5)(x) if kind == 3 else x


def _of_images(rng):
    inputs = keras.Input((int(rng.integers(6, 10)),) * 2 + (int(rng.integers(1, 4)),))
    x = inputs
    for _ in range(rng.integers(1, 4)):
        x = _after(_images_block(x, rng), rng)
        if rng.random() < 0.6:
            x = _joined(x, rng)
        x = _between(x, rng)
    ends = (LAYERS.Flatten, LAYERS.GlobalAveragePooling2D, LAYERS.GlobalMaxPooling2D)
    x = ends[rng.integers(3)]()(x)
    if rng.random() < 0.5:
        x = LAYERS.Dense(int(rng.integers(3, 9)), activation=_activation(rng))(x)
    if rng.random() < 0.2:
        x = LAYERS.Reshape((2, 2, 3))(LAYERS.Dense(12, activation="tanh")(x))
        x = LAYERS.Flatten()(LAYERS.Conv2D(4, 2, padding="same", activation="relu")(x))
    return keras.Model(inputs, LAYERS.Dense(3)(x))


def _recurrent(rng, sequences):
    kind = (LAYERS.LSTM, LAYERS.GRU, LAYERS.SimpleRNN)[rng.integers(3)]
    layer = kind(int(rng.integers(2, 6)), return_sequences=sequences, use_bias=bool(rng.random() < 0.6))
    return LAYERS.Bidirectional(layer) if rng.random() < 0.4 else layer


def _of_sequences(rng):
    if rng.random() < 0.5:
        inputs = keras.Input((6,), dtype="int32")
        x = LAYERS.Embedding(8, int(rng.integers(3, 8)), mask_zero=bool(rng.random() < 0.5))(inputs)
    else:
        inputs = keras.Input((6, 4))
        x = LAYERS.Conv1D(int(rng.integers(3, 7)), 3, padding=str(rng.choice(["causal", "same", "valid"])))(
            inputs
        )
    for _ in range(rng.integers(0, 2)):
        x = _recurrent(rng, True)(x)
    if rng.random() < 0.6:
        x = LAYERS.Dense(int(rng.integers(3, 7)), activation=_activation(rng))(x)
        heads = LAYERS.MultiHeadAttention(
            int(rng.integers(1, 4)), 3, value_dim=int(rng.integers(1, 5)), use_bias=bool(rng.random() < 0.6)
        )
        y = heads(x, x) if rng.random() < 0.7 else heads(x, LAYERS.Dense(5)(x), key=x)
        x = LAYERS.LayerNormalization()(LAYERS.Add()([x, y])) if rng.random() < 0.5 else y
    x = _recurrent(rng, False)(x) if rng.random() < 0.5 else LAYERS.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, LAYERS.Dense(3)(x))
