"""What a rule is told of one call: layer, weights, shapes, and what is known of the channels around it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.compaction.graph import Call, Graph


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of the channels (last axis) of one tensor, whatever the model's inputs are.

    Attributes:
        constant: of each channel, whether it has one value for all inputs and at all positions.
        value: that value, float32; 0 where it is not constant.
    """

    constant: np.ndarray
    value: np.ndarray

    @classmethod
    def varying(cls, channels: int) -> Facts:
        """Nothing is known."""
        return cls(np.zeros(channels, bool), np.zeros(channels, np.float32))

    @classmethod
    def of(cls, constant: np.ndarray, value: np.ndarray) -> Facts:
        """A value that is not finite counts as varying: nothing could be computed with it elsewhere."""
        value = np.asarray(value, np.float32)
        constant = constant & np.isfinite(value)
        return cls(constant, np.where(constant, value, np.float32(0)))

    def part(self, part: slice) -> Facts:
        """Of some of the channels."""
        return Facts(self.constant[part], self.value[part])

    @property
    def nonzero(self) -> np.ndarray:
        """Which channels are constant, and not zero."""
        return self.constant & (self.value != 0)


@dataclasses.dataclass(frozen=True)
class Need:
    """What a call needs of the channels of one input.

    Attributes:
        wanted: it computes with them.
        pinned: they have to stay as they are, constant or not, wanted or not.
        carried: they are constant, and another constant channel of the tensor can stand for them, but no
            bias can: what they add depends on the position.
        groups: of as many equal parts of the channels, none can stand for those of another.
    """

    wanted: np.ndarray
    pinned: np.ndarray
    carried: np.ndarray
    groups: int = 1

    @classmethod
    def only(
        cls,
        wanted: np.ndarray,
        pinned: np.ndarray | None = None,
        carried: np.ndarray | None = None,
        groups: int = 1,
    ) -> Need:
        none = np.zeros(len(wanted), bool)
        return cls(wanted, none if pinned is None else pinned, none if carried is None else carried, groups)

    @classmethod
    def to_read(cls, read: Any, facts: Facts, fixed: bool) -> Need:
        """Of channels that are read. What they add where they are constant, a bias takes over.

        Args:
            read: which are.
            facts: what is known of them.
            fixed: no bias can, so that constants that are not zero have to stay.
        """
        if fixed:
            return cls.only(read & (~facts.constant | facts.nonzero), pinned=read & facts.nonzero)
        return cls.only(read & ~facts.constant)

    @classmethod
    def everything(cls, channels: int) -> Need:
        return cls.only(np.ones(channels, bool), pinned=np.ones(channels, bool))


@dataclasses.dataclass(frozen=True)
class Tie:
    """Channels that stay or go together: position i of `first` with position i of `second`.

    Attributes:
        tensors: numbers of the two tensors.
        first: positions of channels in the first.
        second: as many in the second.
    """

    tensors: tuple[int, int]
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def of_all(cls, first: int, second: int, channels: int) -> Tie:
        every = np.arange(channels)
        return cls((first, second), every, every)


@dataclasses.dataclass(frozen=True)
class Kept:
    """What stays of the channels around a call, for whoever makes its layer anew.

    Attributes:
        inputs: of each input, which channels stay.
        outputs: of each output.
        wanted: of each output, which channels somebody computes with.
        carriers: of each input, the position of the constant channel that stands for each one; None where
            none does.
    """

    inputs: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]
    wanted: tuple[np.ndarray, ...]
    carriers: tuple[np.ndarray | None, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Site:
    """One call, and what surrounds it.

    Attributes:
        call: the call.
        graph: that it belongs to.
        weights: attribute of the layer -> array; with the batch normalisation behind it folded in.
        shared: whether the layer is called elsewhere too.
    """

    call: Call
    graph: Graph
    weights: Mapping[str, np.ndarray]
    shared: bool = False

    @property
    def layer(self) -> Any:
        return self.call.layer

    @property
    def inputs(self) -> tuple[keras.KerasTensor, ...]:
        return tuple(self.graph.specs[number] for number in self.call.inputs)

    @property
    def outputs(self) -> tuple[keras.KerasTensor, ...]:
        return tuple(self.graph.specs[number] for number in self.call.outputs)

    @property
    def sizes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Channels of each input, and of each output."""
        return tuple(map(channels_of, self.inputs)), tuple(map(channels_of, self.outputs))

    def computed(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """What the layer gives for one example at one position.

        Args:
            values: of each input, one value a channel.
        """
        given = {
            number: tf.constant(np.reshape(value, (1,) * (len(spec.shape) - 1) + (-1,)), spec.dtype)
            for number, spec, value in zip(self.call.inputs, self.inputs, values, strict=True)
        }
        args, kwargs = self.call.arguments(given)
        results = keras.tree.flatten(self.layer(*args, **kwargs))
        return [np.reshape(keras.ops.convert_to_numpy(x), -1).astype(np.float32) for x in results]


def channels_of(spec: keras.KerasTensor) -> int:
    """Size of the last axis of a tensor of real numbers; 0 where it has none that can be reckoned with."""
    real = keras.backend.is_float_dtype(spec.dtype) and not spec.ragged
    return spec.shape[-1] or 0 if real and len(spec.shape) > 1 else 0
