"""Iterative magnitude pruning as one callback: train, prune, rewind, again and again, in a single `fit`."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np

from tf_tickets.layers import (
    check_backup_comes_later,
    has_own_schedule,
    mask_layers,
    masked_weights,
    nothing_to_prune,
    reset_optimizer,
    restore_weights,
    stock_values,
    value_of,
)
from tf_tickets.pruning import (
    Quota,
    Ticket,
    Within,
    carried,
    draw_ticket,
    masks_of,
    round_sparsities,
    silence_removed_outputs,
)
from tf_tickets.pruning.choices import GLOBAL, check_choice
from tf_tickets.pruning.classifier_choice import classifier_keep_of_magnitudes
from tf_tickets.pruning.pattern_names import chosen_pattern, removes_outputs
from tf_tickets.pruning.ratios import RATIOS
from tf_tickets.pruning.sparsity import check_inside, check_sparsity
from tf_tickets.support.numbers import check_whole, is_whole

REWINDS = ("init", "none")


class IterativeMagnitudePruning(keras.callbacks.Callback):
    """Prunes by magnitude in rounds, and after each goes back to earlier weights and the top of the schedule.

    The training has `rounds + 1` parts of `epochs_per_round` epochs each. At the start of every part but the
    first the weights of smallest magnitude are pruned, always the same fraction of what is left, so that the
    last part trains a network of exactly the sparsity asked for. Then the weights go back, the optimizer
    starts afresh, and the learning rates of the first part are replayed: every part has `epochs_per_round`
    epochs, with the rates that the first had from epoch `rewind` on (from epoch 0 where that is a word); when
    they run out, the last of them is repeated.

    Place it after any callback that sets the learning rate when an epoch begins: what one behind it sets is
    neither noted nor replayed.

    Args:
        sparsity: fraction of all prunable weights that is removed in the end, in [0, 1).
        rounds: how many times to prune.
        epochs_per_round: length of a part.
        rewind: where the weights go back to: `"init"`, those at the start of the training (lottery tickets);
            a 0-based epoch of the first part, those at its start, with the rates from there on (weight
            rewinding); `"none"`, they stay (learning-rate rewinding).
        ratios: `"global"` or a rule of `tf_tickets.keep_counts`.
        classifier_keep: fraction of each classifier, the masked weights that feed an output, that is kept
            apart from the rest, for global and smart ratios. `"ranked"` ranks them with the rest (global
            ratios only). None or `"method"` means what `tf_tickets.prune` does for trained magnitudes: 1.0
            with global ratios, as of `"lt"`, and 0.3 with smart ones.
        source: a Ticket or bool masks: only weights kept there are ever kept. The model's masks, whatever
            they are, are set to it at the start. None: the masks that the model has then, or all weights.
        pattern: which weights are kept together, or how many of neighbours, as in `tf_tickets.prune`.

    Attributes:
        tickets: the Ticket of every round so far.

    Raises:
        ValueError: a value out of range; or, at the start of training, a number of epochs that is not
            `(rounds + 1) * epochs_per_round`, or a target denser than the source.

    Example:
        >>> imp = tt.callbacks.IterativeMagnitudePruning(0.75, rounds=2, epochs_per_round=10)
        >>> model.fit(x, y, epochs=30, callbacks=[rates, imp])

    Reference:

    - [Frankle and Carbin, 2019](https://arxiv.org/abs/1803.03635), section 2
    - [Renda et al., 2020](https://arxiv.org/abs/2003.02389), section 3
    """

    def __init__(
        self,
        sparsity: float,
        rounds: int,
        epochs_per_round: int,
        rewind: str | int = "init",
        ratios: str = GLOBAL,
        classifier_keep: float | Literal["ranked", "method"] | None = None,
        source: Within | None = None,
        pattern: str | None = None,
    ):
        super().__init__()
        self.sparsity = check_sparsity(sparsity)
        check_choice("ratios", ratios, (GLOBAL, *RATIOS))
        classifier_keep = classifier_keep_of_magnitudes(classifier_keep, ratios)
        self.rounds = check_whole("rounds=", rounds, 1)
        self.epochs_per_round = check_whole("epochs_per_round=", epochs_per_round, 1)
        if not (rewind in REWINDS or is_whole(rewind, 0, epochs_per_round - 1)):
            raise ValueError(
                f"rewind= is one of {', '.join(REWINDS)}, or an epoch of the first part, 0 to "
                f"{epochs_per_round - 1}. Received: {rewind!r}"
            )
        self.rewind = rewind
        self.source = source
        self.tickets: list[Ticket] = []
        self._quota: dict[str, Any] = {
            "ratios": ratios,
            "classifier_keep": classifier_keep,
            "pattern": chosen_pattern(pattern, None),
        }
        self._to = 0 if isinstance(rewind, str) else int(rewind)
        self._weights: list[np.ndarray] = []
        self._rates: list[float] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        needed = (self.rounds + 1) * self.epochs_per_round
        if self.params.get("epochs") not in (None, needed):
            raise ValueError(
                f"{self.rounds} rounds of {self.epochs_per_round} epochs after a first training of as many "
                f"take epochs={needed}. Received: epochs={self.params['epochs']}"
            )
        check_backup_comes_later(self)
        entries = mask_layers(self.model).masked
        if not entries:
            raise ValueError(nothing_to_prune(self.model))
        self.tickets, self._weights, self._rates = [], [], []
        if has_own_schedule(self.model.optimizer) and self._to:
            raise ValueError(
                "The optimizer has a LearningRateSchedule of its own, which a callback cannot set: give it a "
                "plain learning rate, or rewind to the start of the training."
            )
        masks = [value_of(entry.mask) for entry in entries]
        if self.source is not None:
            masks = masks_of(self.source, entries, "source")
        first = Ticket(tuple(masks), tuple(entry.name for entry in entries))
        check_inside(self.sparsity, first.kept, first.total)
        first.apply(self.model)
        self._sparsities = round_sparsities(self.sparsity, self.rounds, first.sparsity)

    def on_resume(self, history: Sequence[Mapping[str, float]]) -> None:
        """Refuses: the weights to go back to are in no checkpoint."""
        if history:
            raise ValueError(
                "IterativeMagnitudePruning keeps the weights to rewind to in memory, which a training that "
                "goes on from a checkpoint has not seen. python -m tf_tickets.run --rounds has them on disk."
            )

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        part, place = divmod(epoch, self.epochs_per_round)
        if not self._rates and epoch:
            raise ValueError(f"Training starts at epoch {epoch}, and the rounds are counted from epoch 0.")
        optimizer = self.model.optimizer
        if part == 0:
            self._rates.append(float(value_of(optimizer.learning_rate)))
            if epoch == self._to and self.rewind != "none":
                self._weights = stock_values(self.model)
            return
        if place == 0:
            self._prune(part - 1)
        # A schedule of the optimizer's own has begun again with its step counter.
        if not has_own_schedule(optimizer):
            optimizer.learning_rate = self._rates[min(self._to + place, len(self._rates) - 1)]

    def on_train_end(self, logs: dict | None = None) -> None:
        if len(self.tickets) < self.rounds:
            masks = [value_of(entry.mask) for entry in masked_weights(self.model)]
            density = sum(int(mask.sum()) for mask in masks) / sum(mask.size for mask in masks)
            warnings.warn(
                f"IterativeMagnitudePruning did not reach its target: the training ended after "
                f"{len(self.tickets)} of {self.rounds} rounds at a density of {density:.6g}, and "
                f"{1 - self.sparsity:.6g} was asked for. The masks are left as they are.",
                stacklevel=2,
            )
            return
        now = carried(self.tickets[-1], self.model)
        if now is not self.tickets[-1] and now is not None:
            warnings.warn(
                f"IterativeMagnitudePruning left {self.tickets[-1].kept:,} weights, and the training ended "
                f"with {now.kept:,}: somebody has set other masks since, as by restoring weights of an "
                "earlier epoch.",
                stacklevel=2,
            )

    def _prune(self, number: int) -> None:
        quota = Quota(sparsity=self._sparsities[number], **self._quota)
        within = [value_of(entry.mask) for entry in masked_weights(self.model)]
        ticket = draw_ticket(self.model, "magnitude", quota, within=within)
        if ticket.collapsed:
            warnings.warn(f"After pruning, {ticket.collapsed}.", stacklevel=2)
        self.tickets.append(ticket)
        ticket.apply(self.model)
        if self.rewind != "none":
            restore_weights(self.model, self._weights)
        if removes_outputs(self._quota["pattern"]):
            silence_removed_outputs(self.model)
        reset_optimizer(self.model)
