"""The sanity checks: each is one row that says what is changed, at which place of the story.

Reading the table loads no TensorFlow; what a check does is imported when it is done.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tf_tickets.methods.table import INIT, TRAINED
from tf_tickets.support.late import late
from tf_tickets.support.own_code import row_of
from tf_tickets.support.short_reprs import Rows

if TYPE_CHECKING:
    import keras
    import numpy as np

    from tf_tickets.data import Dataset
    from tf_tickets.methods.choice import Choice

    Corruption = Callable[[Dataset, int, int], Dataset]
    MasksAttack = Callable[[Sequence[np.ndarray], int, Sequence[np.ndarray] | None], Sequence[np.ndarray]]
    WeightsAttack = Callable[[keras.Model, int], keras.Model]


@dataclasses.dataclass(frozen=True)
class Check:
    """One row of the table. Retraining always runs on clean data.

    Attributes:
        about: one line for people.
        asks: what the method is shown not to use, if the check costs it nothing.
        place: what is changed: `"data"` (of everything before the ticket: dense training, rounds, scoring),
            `"scores"`, `"ticket"` (masks or weights), or `"nothing"`.
        data: (dataset, seed, batch size) -> the dataset to prune on; None leaves it as it is.
        in_order: the dense training and the rounds see the examples in their order, without shuffling, and
            take no more steps than these fill. Otherwise they take as many as on the clean data.
        inverts: the least important weights are kept, instead of the most.
        masks: (masks, seed, source masks or None) -> the ticket's masks, inside the source; None leaves
            them.
        is_null: whether what is left of the ticket is a random one with as many weights in each layer, which
            the ticket must be ahead of before another check of it means anything.
        weights: (masked model, seed): changes the weights that retraining starts from, in place; None leaves
            them.
    """

    about: str
    asks: str
    place: str
    data: Corruption | None = None
    in_order: bool = False
    inverts: bool = False
    masks: MasksAttack | None = None
    weights: WeightsAttack | None = None
    is_null: bool = False
    claim: str = ""

    def says_nothing(self, choice: Choice) -> str | None:
        """Why the check can say nothing about a method, or None where it can."""
        row = choice.row
        if not row.prunes:
            return "the method keeps every weight"
        scores_trained = row.scored_at == TRAINED and not choice.independent
        if self.place == "data" and not (choice.sees_data or scores_trained or row.start_from != INIT):
            return "the method looks at no data"
        if self.in_order and not row.pretrains:
            return "it is about the dense training, of which there is none; half_dataset fits"
        if self.inverts and choice.independent:
            return "the scores are random, and inverted they are random again"
        if self.place == "ticket" and choice.independent:
            if row.start_from == INIT:
                return "masks and weights are random and independent, and so are the attacked ones"
            if self.weights is None:
                return "the masks are random already"
        return None


def _corruption(function: str) -> Corruption:
    corrupt = late(f"tf_tickets.sanity.corruptions:{function}")
    return lambda dataset, seed, batch_size: corrupt(dataset, seed)


def _first_half(dataset: Dataset, seed: int, batch_size: int) -> Dataset:
    return late("tf_tickets.sanity.corruptions:half_dataset", first=batch_size)(dataset, seed)


# Claims that checks are about.
DATA, CONNECTIONS, WEIGHTS, RATIOS, CONTROL = "data", "connections", "weights", "ratios", "control"

NO_CHECK = Check(about="no check", asks="nothing", place="nothing")

CHECKS: dict[str, Check] = {
    "random_labels": Check(
        claim=DATA,
        about="prunes on labels drawn at random",
        asks="the labels",
        place="data",
        data=_corruption("random_labels"),
    ),
    "random_pixels": Check(
        claim=DATA,
        about="prunes on images whose values are permuted, each image by itself",
        asks="the images",
        place="data",
        data=_corruption("random_pixels"),
    ),
    "corrupted": Check(
        claim=DATA,
        about="prunes on random labels and permuted images (the paper's check, section 4.1)",
        asks="the data",
        place="data",
        data=_corruption("corrupted"),
    ),
    "half_dataset": Check(
        claim=DATA,
        about="prunes on a fixed random half of the training set, in as many steps",
        asks="one half of the data",
        place="data",
        data=_corruption("half_dataset"),
    ),
    "half_dataset_in_order": Check(
        claim=DATA,
        about="prunes on the first half of the data, in its order, in half the steps (the authors' code)",
        asks="one half of the data, another order of it every epoch, and half of the steps (together)",
        place="data",
        data=_first_half,
        in_order=True,
    ),
    "rearrange": Check(
        claim=CONNECTIONS,
        about="permutes the mask of each layer (the paper's layerwise rearrange, section 3)",
        asks="which connections of a layer are kept",
        place="ticket",
        masks=late("tf_tickets.sanity.attacks:rearranged"),
    ),
    "shuffle_weights": Check(
        claim=WEIGHTS,
        about="permutes the kept weights of each layer among the kept positions (section 5.1)",
        asks="where in a layer its kept weights are",
        place="ticket",
        weights=late("tf_tickets.sanity.attacks:shuffle_weights"),
    ),
    "shuffle_weights_but_classifier": Check(
        claim=WEIGHTS,
        about="the same, the classifier spared",
        asks="where in a layer before the classifier its kept weights are",
        place="ticket",
        weights=late("tf_tickets.sanity.attacks:shuffle_weights", spare_classifier=True),
    ),
    "reinitialize": Check(
        claim=WEIGHTS,
        about="keeps the masks, and draws all weights anew from their initializers",
        asks="the values of the weights it starts from",
        place="ticket",
        weights=late("tf_tickets.sanity.attacks:reinitialize"),
    ),
    "rearrange+reinitialize": Check(
        claim=RATIOS,
        about="both: what is left of the ticket are the numbers of weights in each layer",
        asks="which connections are kept, and the values of the weights (together)",
        place="ticket",
        is_null=True,
        masks=late("tf_tickets.sanity.attacks:rearranged"),
        weights=late("tf_tickets.sanity.attacks:reinitialize"),
    ),
    "invert": Check(
        claim=CONTROL,
        about="keeps the weights with the worst scores instead of the best",
        asks="the order of its scores",
        place="scores",
        inverts=True,
    ),
}
CHECKS = Rows(CHECKS)
# What is left of a ticket without the weights that its mask was made for.
WITHOUT_ITS_WEIGHTS = "reinitialize"


def null_checks() -> list[str]:
    """Names of the checks that leave nothing of a ticket but how many weights each layer keeps."""
    return [name for name, row in CHECKS.items() if row.is_null]


def check_row(name: str) -> Check:
    """The row of a check's name; a `Check` of your own, by `file.py:name`.

    Raises:
        ValueError: there is no such check.
    """
    made = ". Make it by tf_tickets.sanity.Check(about=..., asks=..., place=..., ...)."
    return row_of("--sanity_check", name, CHECKS, Check, what=made)
