"""The log of a training's epochs: JSON lines, and TensorBoard's event files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from tf_tickets.storage.directories import Directory


class EpochLog(keras.callbacks.Callback):
    """Writes every epoch's numbers as a JSON line, and for TensorBoard.

    Args:
        directory: of the training; the log in it is started afresh.
    """

    def __init__(self, directory: Directory):
        super().__init__()
        self.directory = directory
        self.path, self.tensorboard = directory.metrics, directory.tensorboard

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        # An interrupted attempt may have left its part.
        self.path.write_text("")
        shutil.rmtree(self.tensorboard, ignore_errors=True)
        self.writer = tf.summary.create_file_writer(str(self.tensorboard))

    def on_resume(self, history: Sequence[Mapping[str, float]]) -> None:
        """Writes again what was done before."""
        for row in history:
            self._write(row)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.directory.check_in_place()
        self._write({"epoch": epoch, **(logs or {})})

    def _write(self, row: Mapping[str, float]) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            rest = {name: value for name, value in sorted(row.items()) if name != "epoch"}
            file.write(json.dumps({"epoch": row["epoch"], **rest}) + "\n")
        try:
            with self.writer.as_default(step=int(row["epoch"])):
                for name, value in rest.items():
                    tf.summary.scalar(name, value)
            self.writer.flush()
        except tf.errors.OpError as error:
            raise OSError(f"{self.tensorboard} cannot be written: {error}") from error
