"""The log of densities: how much of each layer is left after every epoch, for TensorBoard and others."""

import os
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.layers import layer_densities, masked_weights


class DensityLog(keras.callbacks.Callback):
    """Logs how much of each layer is left after every epoch, whatever prunes it.

    Masks that stay, those that callbacks move (`GradualMagnitudePruning`, `RigL`, `HybridPruning`, ...), and
    what thresholds and scores leave (`sparse_training.soft_threshold`, `edge_popup`): a layer's density is
    the part of its weights that takes part in the network.

    TensorBoard gets a curve `density/LAYER` for each masked weight and `density/total`, beside the curves
    that Keras's own callback writes with the same `log_dir`. The logs of every epoch get `density`, that of
    all masked weights together, for whoever reads them behind this callback: History, CSVLogger, TensorBoard
    or a tracker. So place it before those, and behind the callback that prunes.

    Args:
        log_dir: folder of event files; they go into its `train`, as those of `keras.callbacks.TensorBoard`
            do. None: no files.
        layers_in_logs: whether the logs get the density of every layer, too, as `density/LAYER`. Keras's
            progress bar then shows all of them.

    Attributes:
        history: for each epoch, label of the weight -> density, in forward order.

    Raises:
        ValueError: when an epoch begins, the model has no masks.

    Example:
        >>> ticket = tt.prune(model, "erk", sparsity=0.9)
        >>> model.fit(x, y, epochs=30, callbacks=[
        ...     tt.callbacks.RigL(),
        ...     tt.callbacks.DensityLog("logs"),
        ...     keras.callbacks.TensorBoard("logs"),
        ... ])
    """

    def __init__(self, log_dir: str | os.PathLike | None = None, layers_in_logs: bool = False):
        super().__init__()
        self.log_dir = None if log_dir is None else os.path.join(os.path.expanduser(log_dir), "train")
        self.layers_in_logs = layers_in_logs
        self.history: list[dict[str, float]] = []
        self._writer: Any = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.history = []
        if self.log_dir is not None:
            self._writer = tf.summary.create_file_writer(self.log_dir)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        # Not when the training begins: a callback behind this one may give the masks then.
        if not masked_weights(self.model):
            raise ValueError(
                f"Model '{self.model.name}' has no masks, so there is no density to log. Prune it first, by "
                "tf_tickets.prune or mask_layers, or by a callback."
            )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        entries = masked_weights(self.model)
        densities = layer_densities(entries)
        self.history.append(densities)
        sizes = [entry.size for entry in entries]
        kept = sum(size * density for size, density in zip(sizes, densities.values(), strict=True))
        total = round(kept) / sum(sizes)
        if logs is not None:
            logs["density"] = total
            if self.layers_in_logs:
                logs.update({f"density/{name}": density for name, density in densities.items()})
        if self._writer is not None:
            with self._writer.as_default(step=epoch):
                for name, density in {**densities, "total": total}.items():
                    tf.summary.scalar(f"density/{name}", density)
            self._writer.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
