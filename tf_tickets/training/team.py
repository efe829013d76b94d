"""The processes that train together: what one of them knows the others can be told, and all can agree."""

import functools
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_tickets.support.differences import difference

_PIECE = 1 << 22  # bytes that are sent at once


class Disagreement(RuntimeError):
    """Processes that should have the same thing have not."""


class Team:
    """The processes of a strategy, of which one is the chief. Alone in most strategies.

    All processes must call the same methods in the same order: each call is a meeting.

    Args:
        strategy: a tf.distribute strategy.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self.strategy = strategy
        self.replicas = strategy.num_replicas_in_sync
        resolver = strategy.cluster_resolver
        hosts = resolver.cluster_spec().as_dict() if resolver else {}
        self.size = sum(map(len, hosts.values())) or 1
        leading = "chief" if "chief" in hosts else "worker"
        self.chief = self.size == 1 or (resolver.task_type, resolver.task_id) == (leading, 0)
        self.name = f"{resolver.task_type} {resolver.task_id}" if self.size > 1 else "alone"

    @functools.cached_property
    def own_replicas(self) -> range:
        """Numbers of this process's replicas among all."""
        numbers: list[int] = []

        def note(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
            numbers.append(int(context.replica_id_in_sync_group))
            return tf.zeros(())

        self.strategy.experimental_distribute_values_from_function(note)
        return range(numbers[0], numbers[-1] + 1)

    def gather(self, own: Sequence[np.ndarray]) -> np.ndarray:
        """A row from every replica, in their order; the same matrix in every process.

        Args:
            own: rows of this process's replicas, arrays of one type and length.
        """
        if self.size == 1:
            return np.stack(own)
        rows = [np.frombuffer(row.tobytes(), np.uint8) for row in own]
        matrix = np.zeros((self.replicas, len(rows[0])), np.float32)
        matrix[self.own_replicas.start : self.own_replicas.stop] = rows
        return self._sum(matrix).view(own[0].dtype)

    def broadcast(self, data: bytes) -> bytes:
        """The chief's bytes."""
        if self.size == 1:
            return data
        length = int(self._from_chief(np.array([len(data)], np.int64).view(np.uint8)).view(np.int64)[0])
        row = np.zeros(length, np.uint8)
        if self.chief:
            row[:] = np.frombuffer(data, np.uint8)
        pieces = [self._from_chief(row[i : i + _PIECE]) for i in range(0, length, _PIECE)]
        return b"".join(piece.tobytes() for piece in pieces)

    def agree(self, what: str, value: Any) -> None:
        """Goes on only if all processes have the same value.

        Args:
            what: the value for people.
            value: JSON-able.

        Raises:
            Disagreement: in every process, if they have not.
        """
        if self.size == 1:
            return
        text = json.dumps(value, sort_keys=True)
        digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
        digests = self.gather([digest] * len(self.own_replicas))
        if (digests != digests[0]).any():
            chiefs = json.loads(self.broadcast(text.encode()))
            differs = difference(chiefs, json.loads(text)) if chiefs != json.loads(text) else None
            here = f"here, at {self.name}: {differs}" if differs else "another one says in what it differs"
            raise Disagreement(f"The workers of the cluster do not agree on {what} ({here}).")

    def _from_chief(self, row: np.ndarray) -> np.ndarray:
        return self._sum(row.astype(np.float32) * self.chief)

    def _sum(self, array: np.ndarray) -> np.ndarray:
        """The sum over all processes of arrays of bytes of which but one is zero everywhere.

        As floats, the one type that every kind of communication between devices knows.
        """
        own = tf.constant(array)
        values = self.strategy.experimental_distribute_values_from_function(
            lambda context: (
                own if context.replica_id_in_sync_group == self.own_replicas.start else tf.zeros_like(own)
            )
        )
        return np.asarray(self.strategy.reduce("SUM", values, axis=None)).astype(np.uint8)
