"""The sanity checks: each is one row that says what is changed, at which place of the story.

Reading the table loads no TensorFlow; what a check does is imported when it is done.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tf_tickets.methods.table import INIT
from tf_tickets.support.late import late
from tf_tickets.support.own_code import row_of
from tf_tickets.support.short_reprs import Rows, short_fields

DATA, RATIOS, CONNECTIONS, WEIGHTS, CONTROL = "data", "ratios", "connections", "weights", "control"
CLEAN = "clean"  # in place of a check's name: none

if TYPE_CHECKING:
    import keras
    import numpy as np

    from tf_tickets.data import Dataset
    from tf_tickets.methods.choice import Choice

    Corruption = Callable[[Dataset, int, int], Dataset]
    MasksAttack = Callable[[Sequence[np.ndarray], int, Sequence[np.ndarray] | None], Sequence[np.ndarray]]
    ChannelsAttack = Callable[..., Sequence[np.ndarray]]
    PatternAttack = Callable[..., Sequence[np.ndarray]]
    WeightsAttack = Callable[[keras.Model, int], keras.Model]


# What a check can be about. Checks of one claim make a family of tests; a control is in none.
CLAIMS = (DATA, RATIOS, CONNECTIONS, WEIGHTS, CONTROL)


@dataclasses.dataclass(frozen=True)
class Check:
    """One row of the table. Retraining always runs on clean data.

    Attributes:
        about: one line for people.
        asks: what the method is shown not to use, if the check costs it nothing.
        place: what is changed: `"data"` (of everything before the ticket: dense training, rounds, scoring; of
            a method that does not retrain only what the dense network is pruned on; or of the ticket that
            gives the counts alone), `"scores"`, `"ticket"` (masks or weights), or
            `"nothing"`.
        data: (dataset, seed, batch size) -> the dataset to prune on; None leaves it as it is.
        in_order: the dense training and the rounds see the examples in their order, without shuffling, and
            take no more steps than these fill. Otherwise they take as many as on the clean data.
        inverts: the least important weights are kept, instead of the most.
        masks: (masks, seed, source masks or None) -> the ticket's masks, inside the source; None leaves
            them.
        masks_in_pattern: (layouts, masks, seed, source masks or None) -> as `masks`, of tickets in a
            pattern whose single weights cannot be anywhere, as n:m; None: the check says nothing about such.
            Groups of weights move as a whole by `masks`.
        is_null: whether what is left of the ticket is a random one with as many weights in each layer, which
            the ticket must be ahead of before another check of it means anything.
        is_null_as_trained: the same of a ticket that is not retrained, whose weights are the dense network's.
        weights: (masked model, seed): changes the weights that retraining starts from, in place; None leaves
            them.
        of_labels: whether nothing but labels is changed.
        claim: which claim about tickets it is a test of, one of `CLAIMS`, or another word; None: one of its
            own, see `claim_of`. Checks of one claim are judged together, as a family; one of the user's
            own, of which nothing is imported where runs are judged, is a family of its own.
        data_under: name of the check whose data these are, so that dense trainings are shared with it; None:
            they are its own.
        channel_masks: as `masks`, called with `channels=` too: of each weight the axes that number its
            channels (`pruning.channels.Channels`).
        counts_under: name of the check under which another ticket is found, by the same method and seed, that
            says how many weights each layer keeps; `"clean"`: under none. Which ones are kept is decided
            under this check, within those counts. None: this ticket's counts are its own.
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
    is_null_as_trained: bool = False
    of_labels: bool = False
    claim: str | None = None
    data_under: str | None = None
    channel_masks: ChannelsAttack | None = None
    counts_under: str | None = None
    masks_in_pattern: PatternAttack | None = None

    __repr__ = short_fields

    def __post_init__(self) -> None:
        if self.masks is not None and self.channel_masks is not None:
            raise ValueError("A check changes masks by masks= or by channel_masks=, not by both.")
        for column in ("claim", "data_under", "counts_under"):
            value = getattr(self, column)
            if value is not None and (not isinstance(value, str) or not value):
                raise ValueError(f"A check's {column} is a word, or None. Received: {value!r}")

    @property
    def moves_masks(self) -> bool:
        """Whether other weights are kept than those of the ticket."""
        return self.masks is not None or self.channel_masks is not None

    @property
    def prunes_on_other_data(self) -> bool:
        """Whether dense training, rounds and scores see other data, or the same in another order."""
        return self.data is not None or self.in_order

    def says_nothing(self, choice: Choice) -> str | None:
        """Why the check can say nothing about a method, or None where it can."""
        row = choice.row
        if not row.prunes:
            return "the method keeps every weight"
        if self.place == "data" and not (choice.sees_data or choice.trains_before):
            return "the method looks at no data"
        if self.of_labels and not (choice.sees_labels or choice.trains_before):
            return "the method looks at no labels"
        if self.in_order and not (row.pretrains and row.retrains):
            return "it is about the dense training, of which there is none on other data; half_dataset fits"
        if self.claim == RATIOS or self.counts_under is not None:
            if choice.independent:
                return "the scores are random, and so are the counts of layers or the positions in them"
            if not choice.ranks:
                return "how many weights each layer keeps does not depend on the data"
        if self.weights is not None and not row.retrains:
            return "nothing is retrained, and with other weights it is another network"
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


_CORRUPTED = _corruption("corrupted")

NO_CHECK = Check(about="no check", asks="nothing", place="nothing")

CHECKS: dict[str, Check] = {
    "random_labels": Check(
        about="prunes on labels drawn at random",
        asks="the labels",
        place="data",
        claim=DATA,
        data=_corruption("random_labels"),
        of_labels=True,
    ),
    "random_pixels": Check(
        about="prunes on images whose values are permuted, each image by itself",
        asks="the images",
        place="data",
        claim=DATA,
        data=_corruption("random_pixels"),
    ),
    "corrupted": Check(
        about="prunes on random labels and permuted images (the paper's check, section 4.1)",
        asks="the data",
        place="data",
        claim=DATA,
        data=_CORRUPTED,
    ),
    "half_dataset": Check(
        about="prunes on a fixed random half of the training set, in as many steps",
        asks="one half of the data",
        place="data",
        claim=DATA,
        data=_corruption("half_dataset"),
    ),
    "half_dataset_in_order": Check(
        about="prunes on the first half of the data, in its order, in half the steps (the authors' code)",
        asks="one half of the data, another order of it every epoch, and half of the steps (together)",
        place="data",
        claim=DATA,
        data=_first_half,
        in_order=True,
    ),
    "corrupted_positions": Check(
        about="keeps as many weights of each layer as the ticket, chosen on corrupted data",
        asks="the data, for which weights of a layer are kept",
        place="data",
        claim=RATIOS,
        data=_CORRUPTED,
        data_under="corrupted",
        counts_under=CLEAN,
    ),
    "corrupted_ratios": Check(
        about="keeps as many weights of each layer as pruning on corrupted data, chosen on clean data",
        asks="the data, for how many weights each layer keeps",
        place="data",
        claim=RATIOS,
        counts_under="corrupted",
    ),
    "corrupted+rearrange": Check(
        about="prunes on corrupted data and permutes the mask of each layer",
        asks="the data, and which connections of a layer are kept (together)",
        place="data",
        claim=RATIOS,
        data=_CORRUPTED,
        data_under="corrupted",
        masks=late("tf_tickets.sanity.attacks:rearranged"),
        masks_in_pattern=late("tf_tickets.sanity.attacks:rearranged_in_pattern"),
    ),
    "rearrange": Check(
        about="permutes the mask of each layer (the paper's layerwise rearrange, section 3)",
        asks="which connections of a layer are kept",
        place="ticket",
        is_null_as_trained=True,
        claim=CONNECTIONS,
        masks=late("tf_tickets.sanity.attacks:rearranged"),
        masks_in_pattern=late("tf_tickets.sanity.attacks:rearranged_in_pattern"),
    ),
    "shuffle_weights": Check(
        about="permutes the kept weights of each layer among the kept positions (section 5.1)",
        asks="where in a layer its kept weights are",
        place="ticket",
        claim=WEIGHTS,
        weights=late("tf_tickets.sanity.attacks:shuffle_weights"),
    ),
    "shuffle_weights_but_classifier": Check(
        about="the same, the classifier spared",
        asks="where in a layer before the classifier its kept weights are",
        place="ticket",
        claim=WEIGHTS,
        weights=late("tf_tickets.sanity.attacks:shuffle_weights", spare_classifier=True),
    ),
    "reinitialize": Check(
        about="keeps the masks, and draws all weights anew from their initializers",
        asks="the values of the weights it starts from",
        place="ticket",
        claim=WEIGHTS,
        weights=late("tf_tickets.sanity.attacks:reinitialize"),
    ),
    "rearrange+reinitialize": Check(
        about="both: what is left of the ticket are the numbers of weights in each layer",
        asks="which connections are kept, and the values of the weights (together)",
        place="ticket",
        is_null=True,
        claim=CONTROL,
        masks=late("tf_tickets.sanity.attacks:rearranged"),
        masks_in_pattern=late("tf_tickets.sanity.attacks:rearranged_in_pattern"),
        weights=late("tf_tickets.sanity.attacks:reinitialize"),
    ),
    "rearrange_per_input": Check(
        about="permutes the mask of each layer; each input keeps as many connections",
        asks="where the kept connections of an input of a layer lead",
        place="ticket",
        claim=CONNECTIONS,
        channel_masks=late("tf_tickets.sanity.channel_counts:rearranged_per_channel", per="input"),
    ),
    "rearrange_per_output": Check(
        about="permutes the mask of each layer; each output keeps as many connections",
        asks="where the kept connections of an output of a layer come from",
        place="ticket",
        claim=CONNECTIONS,
        channel_masks=late("tf_tickets.sanity.channel_counts:rearranged_per_channel", per="output"),
    ),
    "rearrange_per_input_and_output": Check(
        about="draws the mask of each layer anew; each input and each output keeps as many connections",
        asks="which inputs and outputs of a layer are connected, beyond how many connections each has",
        place="ticket",
        claim=CONNECTIONS,
        channel_masks=late("tf_tickets.sanity.channel_counts:rearranged_per_channel", per="input_and_output"),
    ),
    "invert": Check(
        about="keeps the weights with the worst scores instead of the best",
        asks="the order of its scores",
        place="scores",
        claim=CONTROL,
        inverts=True,
    ),
}
CHECKS = Rows(CHECKS)
# What is left of a ticket without the weights that its mask was made for.
WITHOUT_ITS_WEIGHTS = "reinitialize"


def null_checks(retrains: bool = True) -> list[str]:
    """Names of the checks that leave nothing of a ticket but how many weights each layer keeps.

    Args:
        retrains: whether the ticket is retrained; otherwise its weights stay those of the dense network.
    """
    return [name for name, row in CHECKS.items() if (row.is_null if retrains else row.is_null_as_trained)]


def check_row(name: str) -> Check:
    """The row of a check's name; a `Check` of your own, by `file.py:name`.

    Raises:
        ValueError: there is no such check.
    """
    made = ". Make it by tf_tickets.sanity.Check(about=..., asks=..., place=..., ...)."
    return row_of("--sanity_check", name, CHECKS, Check, what=made)


def claim_of(name: str) -> str:
    """Which claim about tickets a check is a test of: its row's, or where that names none, one of its own.

    Raises:
        ValueError: there is no such check.
    """
    return check_row(name).claim or name
