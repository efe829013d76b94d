"""Everything that training changes, as arrays: what a checkpoint holds of a model and its optimizer."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.training.team import Team


class State:
    """The values of a training's variables, to be read and to be put back, to the bit.

    Moving statistics and metrics are each replica's own between two averages; all replicas' values are read,
    those of other processes too, and each gets its own back.

    Args:
        team: the processes.
        model: a built model.
        optimizer: a built optimizer.
        metrics: running sums of the epoch.
    """

    def __init__(
        self,
        team: Team,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        metrics: Sequence[keras.metrics.Metric],
    ):
        self.team = team
        sums = [variable for metric in metrics for variable in metric.variables]
        self.statistics = [v for v in model.non_trainable_weights if keras.backend.is_float_dtype(v.dtype)]
        self.trained = {id(variable) for variable in model.trainable_variables}
        self.local = [*sums, *self.statistics]
        known = {id(variable) for variable in self.local}
        # Seeds of layers are variables of the model, but no weights.
        every = {id(variable): variable for variable in [*model.variables, *optimizer.variables]}
        self.common = [variable for key, variable in every.items() if key not in known]

    def read(self) -> list[np.ndarray]:
        """The values; all processes read together."""
        values = [np.asarray(self._parts(variable)[0]) for variable in self.common]
        return [*values, self._gather(self.local)]

    def average(self) -> None:
        """Gives all replicas the mean of their moving statistics; all processes do it together."""
        if self.team.replicas == 1 or not self.statistics:
            return
        for variable, copies in self._split(self._gather(self.statistics), self.statistics):
            mean = copies.mean(0)
            for part in self._parts(variable):
                part.assign(mean)

    def write(self, values: Sequence[np.ndarray]) -> None:
        """Puts back what `read` gave, or what `check` has passed."""
        for variable, value in zip(self.common, values[:-1], strict=True):
            for part in self._parts(variable):
                part.assign(value)
        for variable, copies in self._split(values[-1], self.local):
            for part, replica in zip(self._parts(variable), self.team.own_replicas, strict=True):
                part.assign(copies[replica])

    def check(self, values: Sequence[np.ndarray]) -> None:
        """Raises ValueError if `write` could not put the values back."""
        found = [(tuple(value.shape), value.dtype.name) for value in values]
        bytes_of_local = sum(np.asarray(self._parts(variable)[0]).nbytes for variable in self.local)
        own = [
            (tuple(variable.shape), keras.backend.standardize_dtype(variable.dtype))
            for variable in self.common
        ]
        own.append(((self.team.replicas, bytes_of_local), "uint8"))
        if found != own:
            raise ValueError("it holds other variables than this training has")
        for variable, value in zip(self.common, values[:-1], strict=True):
            if id(variable) in self.trained and not np.isfinite(value.astype(np.float32)).all():
                raise ValueError(f"{variable.path} in it holds values that are no finite numbers")

    def _gather(self, variables: Sequence[keras.Variable]) -> np.ndarray:
        """Bytes of the variables, a row from each replica."""
        parts = [self._parts(variable) for variable in variables]
        return self.team.gather(
            [
                np.frombuffer(b"".join(np.asarray(part).tobytes() for part in own), np.uint8)
                for own in zip(*parts, strict=True)
            ]
        )

    def _split(
        self, rows: np.ndarray, variables: Sequence[keras.Variable]
    ) -> Iterator[tuple[keras.Variable, np.ndarray]]:
        """The inverse of `_gather`: each variable with its values, a copy of each replica."""
        for variable in variables:
            part = self._parts(variable)[0]
            own, rows = np.split(rows, [np.asarray(part).nbytes], axis=1)
            values = np.frombuffer(own.tobytes(), part.dtype.as_numpy_dtype)
            yield variable, values.reshape(len(own), *part.shape)

    def _parts(self, variable: keras.Variable) -> tuple[tf.Variable, ...]:
        """The copies of this process's replicas."""
        return self.team.strategy.experimental_local_results(variable.value)
