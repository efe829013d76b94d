"""Every kind of recurrent layer in a small model, and what a GPU's fused kernels would compute with."""

import keras
import numpy as np

import tf_tickets as tt

L = keras.layers
ops = keras.ops


@keras.saving.register_keras_serializable(package="tests")
class Minimal(L.Layer):
    """A cell of a user's own, as Keras documents them."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units
        self.activation = keras.activations.tanh

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")

    def call(self, inputs, states):
        state = self.activation(
            ops.matmul(inputs, self.kernel) + ops.matmul(states[0], self.recurrent_kernel)
        )
        return state, [state]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="tests")
class OfLayers(L.Layer):
    """A cell that is made of a layer."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units
        self.mix = L.Dense(units, "tanh")

    def build(self, input_shape):
        self.mix.build((None, input_shape[-1] + self.units))

    def call(self, inputs, states):
        state = self.mix(ops.concatenate([inputs, states[0]], axis=-1))
        return state, [state]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


# name -> (layer, inputs of one example, shapes of what is masked by default, in forward order)
KINDS = {
    "LSTM": (lambda: L.LSTM(3), (5, 4), [(4, 12), (3, 12)]),
    "LSTM, unrolled": (lambda: L.LSTM(3, unroll=True, implementation=1), (5, 4), [(4, 12), (3, 12)]),
    "LSTM, of any length": (lambda: L.LSTM(3, return_sequences=True), (None, 4), [(4, 12), (3, 12)]),
    "GRU": (lambda: L.GRU(3), (5, 4), [(4, 9), (3, 9)]),
    "GRU, reset before": (lambda: L.GRU(3, reset_after=False), (5, 4), [(4, 9), (3, 9)]),
    "SimpleRNN": (lambda: L.SimpleRNN(3), (5, 4), [(4, 3), (3, 3)]),
    "Bidirectional LSTM": (
        lambda: L.Bidirectional(L.LSTM(3)),
        (5, 4),
        [(4, 12), (3, 12), (4, 12), (3, 12)],
    ),
    "Bidirectional of two": (
        lambda: L.Bidirectional(L.GRU(3), backward_layer=L.SimpleRNN(3, go_backwards=True)),
        (5, 4),
        [(4, 9), (3, 9), (4, 3), (3, 3)],
    ),
    "ConvLSTM1D": (lambda: L.ConvLSTM1D(2, 2), (4, 5, 3), [(2, 3, 8), (2, 2, 8)]),
    "ConvLSTM2D": (
        lambda: L.ConvLSTM2D(2, 2, return_sequences=True),
        (3, 4, 4, 3),
        [(2, 2, 3, 8), (2, 2, 2, 8)],
    ),
    "ConvLSTM3D": (lambda: L.ConvLSTM3D(1, 2), (3, 3, 3, 3, 2), [(2, 2, 2, 2, 4), (2, 2, 2, 1, 4)]),
    "RNN of a cell": (lambda: L.RNN(L.GRUCell(3)), (5, 4), [(4, 9), (3, 9)]),
    "RNN of a stack": (
        lambda: L.RNN([L.LSTMCell(2), Minimal(3)]),
        (5, 4),
        [(4, 8), (2, 8), (2, 3), (3, 3)],
    ),
    "RNN of a user's cell": (lambda: L.RNN(Minimal(3)), (5, 4), [(4, 3), (3, 3)]),
    "RNN of a cell of layers": (lambda: L.RNN(OfLayers(3)), (5, 4), [(7, 3)]),
}


def around(layer, shape):
    """A model of the layer and a classifier, with weights that leave no unit dead."""
    x = inputs = keras.Input(shape)
    x = layer(x)
    for _ in range(len(x.shape) - 2):
        x = ops.mean(x, axis=1)
    model = keras.Model(inputs, L.Dense(3, name="out")(x))
    rng = np.random.default_rng(42)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) * 0.5)
    return model


def build(kind):
    layer, shape, _ = KINDS[kind]
    return around(layer(), shape)


def inputs_of(model, count=6):
    shape = [size or 5 for size in model.input_shape[1:]]
    return np.random.default_rng(0).normal(size=(count, *shape)).astype("float32")


def twin_of(kind, model):
    """The stock model with the masked model's weights, and zeros where they are hidden."""
    twin = build(kind)
    kernels = {id(e.weight): np.where(e.mask, e.weight, 0) for e in tt.masked_weights(model)}
    for variable, own in zip(twin.weights, tt.layers.stock_weights(model), strict=True):
        variable.assign(kernels.get(id(own), own))
    return twin


class Fused:
    """Stands in for the kernels that a GPU has for LSTM and GRU: a plain loop over the arrays it is given."""

    def __init__(self, monkeypatch):
        self.kernels = []
        for name in ("lstm", "gru", "bidirectional_lstm", "bidirectional_gru"):
            monkeypatch.setattr(f"keras.src.backend.{name}", getattr(self, name))

    def lstm(self, x, h, c, mask, kernel, recurrent_kernel, bias, go_backwards=False, **options):
        return self._loop(_lstm_step, x, [h, c], kernel, recurrent_kernel, bias, go_backwards)

    def gru(self, x, h, mask, kernel, recurrent_kernel, bias, go_backwards=False, **options):
        return self._loop(_gru_step, x, [h], kernel, recurrent_kernel, bias, go_backwards)

    def bidirectional_lstm(self, x, fh, fc, bh, bc, mask, **options):
        return self._both(_lstm_step, x, ([fh, fc], [bh, bc]), options)

    def bidirectional_gru(self, x, fh, bh, mask, **options):
        return self._both(_gru_step, x, ([fh], [bh]), options)

    def _both(self, step, x, states, options):
        found = []
        for way, state in zip(("fwd", "bwd"), states, strict=True):
            weights = [options[f"{way}_{name}"] for name in ("kernel", "recurrent_kernel", "bias")]
            found.append(self._loop(step, x, state, *weights, way == "bwd"))
        return found

    def _loop(self, step, x, states, kernel, recurrent_kernel, bias, go_backwards):
        kernel, recurrent_kernel, bias = map(ops.convert_to_tensor, (kernel, recurrent_kernel, bias))
        self.kernels += [kernel, recurrent_kernel]
        outputs = []
        for time in range(x.shape[1])[:: -1 if go_backwards else 1]:
            states = step(x[:, time], states, kernel, recurrent_kernel, bias)
            outputs.append(states[0])
        return outputs[-1], ops.stack(outputs, axis=1), states


def _lstm_step(x, states, kernel, recurrent_kernel, bias):
    h, c = states
    i, f, g, o = ops.split(ops.matmul(x, kernel) + ops.matmul(h, recurrent_kernel) + bias, 4, axis=-1)
    c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
    return [ops.sigmoid(o) * ops.tanh(c), c]


def _gru_step(x, states, kernel, recurrent_kernel, bias):
    (h,) = states
    taken = ops.split(ops.matmul(x, kernel) + bias[0], 3, axis=-1)
    recalled = ops.split(ops.matmul(h, recurrent_kernel) + bias[1], 3, axis=-1)
    z, r = (ops.sigmoid(a + b) for a, b in zip(taken[:2], recalled[:2], strict=True))
    return [z * h + (1 - z) * ops.tanh(taken[2] + r * recalled[2])]
