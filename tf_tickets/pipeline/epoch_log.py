"""The log of a training's epochs: JSON lines, and TensorBoard's event files."""

from __future__ import annotations

import json
import pathlib
import shutil
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from tf_tickets.layers import layer_densities, masked_weights
from tf_tickets.storage.directories import Directory

# Curves of TensorBoard that are in no row: how much of each masked layer is left.
DENSITY = "density/"


class EpochLog(keras.callbacks.Callback):
    """Writes every epoch's numbers as a JSON line, and for TensorBoard, which gets each layer's density, too.

    Args:
        directory: of the training; the log in it is started afresh.
    """

    def __init__(self, directory: Directory):
        super().__init__()
        self.directory = directory
        self.path, self.tensorboard = directory.metrics, directory.tensorboard
        self.densities_before: dict[int, dict[str, float]] = {}

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        # An interrupted attempt may have left its part.
        self.densities_before = _densities_in(self.tensorboard)
        self.path.write_text("")
        shutil.rmtree(self.tensorboard, ignore_errors=True)
        self.writer = tf.summary.create_file_writer(str(self.tensorboard))

    def on_resume(self, history: Sequence[Mapping[str, float]]) -> None:
        """Writes again what was done before."""
        for row in history:
            self._write(row, self.densities_before.get(int(row["epoch"]), {}))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.directory.check_in_place()
        self._write({"epoch": epoch, **(logs or {})}, layer_densities(masked_weights(self.model)))

    def _write(self, row: Mapping[str, float], densities: Mapping[str, float]) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            rest = {name: value for name, value in sorted(row.items()) if name != "epoch"}
            file.write(json.dumps({"epoch": row["epoch"], **rest}) + "\n")
        shown = {**rest, **{f"{DENSITY}{name}": value for name, value in densities.items()}}
        try:
            with self.writer.as_default(step=int(row["epoch"])):
                for name, value in shown.items():
                    tf.summary.scalar(name, value)
            self.writer.flush()
        except tf.errors.OpError as error:
            raise OSError(f"{self.tensorboard} cannot be written: {error}") from error


def _densities_in(folder: pathlib.Path) -> dict[int, dict[str, float]]:
    """Epoch -> layer -> density, as event files hold them; an interruption may have cut off their end.

    No checkpoint holds them: a run that goes on in another place has those of its own epochs only.
    """
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found: dict[int, dict[str, float]] = {}
    for path in sorted(folder.glob("events.*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.tag.startswith(DENSITY):
                    density = float(tf.make_ndarray(value.tensor))
                    found.setdefault(event.step, {})[value.tag.removeprefix(DENSITY)] = density
    return found
