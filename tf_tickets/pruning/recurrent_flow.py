"""Synaptic flow through recurrent layers: over two steps, and through every gate."""

from collections.abc import Callable
from typing import Any

import keras

from tf_tickets.layers import computing

ops = keras.ops


def two_steps(layer: Any, call: Callable) -> Callable:
    """What stands in for the call of an RNN: in each place two steps, the first on the input before.

    Over all steps a path would cross the recurrent kernel as often as the sequence is long, and so would its
    weights count, beyond what float64 holds in long sequences.
    """

    def flow(sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        x = ops.cast(sequences, layer.compute_dtype)
        if layer.go_backwards:
            x = ops.flip(x, axis=1)
        x = x if layer.return_sequences else x[:, -2:]
        before = ops.concatenate([ops.zeros_like(x[:, :1]), x[:, :-1]], axis=1)
        if not layer.return_sequences:
            x, before = x[:, -1:], before[:, -1:]
        batch, length = ops.shape(x)[:2]

        # Places are examples: each has its own two steps.
        def folded(tensor: Any) -> Any:
            return ops.reshape(tensor, (-1, *ops.shape(tensor)[2:]))

        def unfolded(tensor: Any) -> Any:
            return ops.reshape(tensor, (-1, length, *ops.shape(tensor)[1:]))

        if initial_state is None:
            states = layer.get_initial_state(batch_size=batch * length)
        else:
            given = keras.tree.map_structure(lambda s: ops.repeat(s, length, axis=0), initial_state)
            states = list(given) if keras.tree.is_nested(given) else [given]
        _, states = layer.cell(folded(before), states)
        output, states = layer.cell(folded(x), states if keras.tree.is_nested(states) else [states])
        outputs = unfolded(output)
        output = outputs if layer.return_sequences else outputs[:, -1]
        if not layer.return_state:
            return output
        states = states if keras.tree.is_nested(states) else [states]
        return output, *keras.tree.map_structure(lambda s: unfolded(s)[:, -1], states)

    return flow


def summed_gates(cell: Any, call: Callable) -> Callable | None:
    """What stands in for the call of a cell with gates: its state is the sum of what they take in.

    None for a cell without, whose call, with linear activations, lets all flow pass. As they are, gates would
    saturate and get no flow, or multiply it by itself in each step.
    """
    rule = next(
        (GATES[cls.__name__] for cls in type(cell).__mro__ if _of_keras(cls) and cls.__name__ in GATES), None
    )
    if rule is None:
        return None

    def flow(inputs: Any, states: Any, training: bool = False) -> Any:
        with computing(cell):
            state = cell.activation(rule(cell, inputs, states[0]))
        return state, [state for _ in states]

    return flow


def _of_keras(cls: type) -> bool:
    return cls.__module__.startswith("keras.")


def _dense(gates: int) -> Callable[[Any, Any, Any], Any]:
    def total(cell: Any, inputs: Any, state: Any) -> Any:
        taken = ops.matmul(inputs, cell.kernel) + ops.matmul(state, cell.recurrent_kernel)
        if cell.use_bias:
            # The GRU's may have two rows.
            taken += ops.sum(ops.reshape(ops.convert_to_tensor(cell.bias), (-1, gates * cell.units)), axis=0)
        return sum(ops.split(taken, gates, axis=-1))

    return total


def _convolution(cell: Any, inputs: Any, state: Any) -> Any:
    taken = cell.input_conv(inputs, cell.kernel, padding=cell.padding)
    taken += cell.recurrent_conv(state, cell.recurrent_kernel)
    axis = 1 if cell.data_format == "channels_first" else -1
    total = sum(ops.split(taken, 4, axis=axis))
    if cell.use_bias:
        bias = sum(ops.split(ops.convert_to_tensor(cell.bias), 4))
        total += ops.reshape(bias, (-1, *(1 for _ in range(cell.rank)))) if axis == 1 else bias
    return total


# By the class of the cell, which Keras does not show in every case.
GATES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "LSTMCell": _dense(4),
    "GRUCell": _dense(3),
    "ConvLSTMCell": _convolution,
}
