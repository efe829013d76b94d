"""Scores: how much each weight matters, and which end of the scale is kept. A table.

Reading it loads no TensorFlow: functions that need it are named, and imported when they are used.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tf_tickets.pruning import reference_counts
from tf_tickets.pruning.choices import CURVATURES, MOST_PROBES, check_choice
from tf_tickets.support.late import Late, late
from tf_tickets.support.options import Kind, choice, number, switch, whole
from tf_tickets.support.own_code import is_own, own_row
from tf_tickets.support.short_reprs import Rows, short_fields
from tf_tickets.support.words import did_you_mean

ScoreFunction = Callable[..., Sequence[np.ndarray]]
# No command line can give one.
LOSS = Kind("", lambda value: value is None or callable(value), "a function (y, outputs) -> scalar")


@dataclasses.dataclass(frozen=True)
class Score:
    """One row of the table of scores.

    Attributes:
        function: `(model, batches, rng, **options) -> arrays`, shaped like the weights, in forward order.
            `batches` is a list of `(x, y)` tensors, or None where none were given.
        data: whether batches are `"unused"`, `"used"` where they are given, or `"needed"`.
        keeps: `"largest"` or `"smallest"` scores.
        rounds: how many rounds of scoring and pruning make a ticket, unless `rounds=` says otherwise.
        sees_masks: whether the score depends on what is masked; if not, further rounds change nothing.
        independent: whether scores are independent uniform draws in [0, 1), of which Bernoulli masks can be
            made.
        labels: whether it looks at the labels of the batches.
        by_solver: whether a method's solver, where it has one, ranks by it itself, anew for each layer; masks
            of other scores are drawn before.
        refuses: called with entries of `prunable_weights`, it raises ValueError where the score cannot be of
            them, so that this is known before work. None: it can be of all.
        reference_count: (number of weights, sparsity) -> weights that the authors' code keeps of a global
            ranking by this score, where no two scores tie.
        takes: options of the function -> what values each takes; of a user's own nothing is known.
    """

    function: ScoreFunction
    data: str = "unused"
    keeps: str = "largest"
    rounds: int = 1
    sees_masks: bool = True
    independent: bool = False
    labels: bool = True
    by_solver: bool = False
    refuses: Callable[[Sequence[Any]], Any] | None = None
    reference_count: Callable[[int, float], int] = reference_counts.ranked_count
    takes: Mapping[str, Kind] = dataclasses.field(default_factory=dict, hash=False)

    __repr__ = short_fields

    @property
    def resolved(self) -> ScoreFunction:
        """The function itself; one that is late is imported now."""
        return self.function.target if isinstance(self.function, Late) else self.function

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the keyword options that the function takes."""
        parameters = list(inspect.signature(self.resolved).parameters.values())[3:]
        return tuple(p.name for p in parameters if p.kind is not p.VAR_KEYWORD)


SCORES: dict[str, Score] = {
    "random": Score(late("tf_tickets.pruning.plain_scores:random"), sees_masks=False, independent=True),
    "magnitude": Score(
        late("tf_tickets.pruning.plain_scores:magnitude"),
        sees_masks=False,
        reference_count=reference_counts.lottery_count,
    ),
    "snip": Score(
        late("tf_tickets.pruning.gradient_scores:snip"),
        data="needed",
        takes={"loss": LOSS, "training": switch()},
    ),
    "grasp": Score(
        late("tf_tickets.pruning.gradient_scores:grasp"),
        data="needed",
        keeps="smallest",
        reference_count=reference_counts.grasp_count,
        takes={
            "temperature": number("(0, inf)"),
            "halves": switch(),
            "redraw_classifier": switch(),
            "loss": LOSS,
            "training": switch(),
        },
    ),
    "synflow": Score(
        late("tf_tickets.pruning.synflow:synflow"),
        rounds=100,
        reference_count=reference_counts.synflow_count,
    ),
    "obd": Score(
        late("tf_tickets.pruning.gradient_scores:obd"),
        data="needed",
        takes={
            "curvature": choice(CURVATURES),
            "probes": whole(1, MOST_PROBES),
            "loss": LOSS,
            "training": switch(),
        },
    ),
    "wanda": Score(
        late("tf_tickets.pruning.input_scores:wanda"),
        data="needed",
        labels=False,
        refuses=late("tf_tickets.pruning.input_view:input_views"),
    ),
    "obs": Score(
        late("tf_tickets.pruning.sparsegpt:obs"),
        data="needed",
        labels=False,
        by_solver=True,
        refuses=late("tf_tickets.pruning.input_view:input_views"),
        takes={"damping": number("[0, inf)")},
    ),
}
SCORES = Rows(SCORES)


def score_row(score: str | ScoreFunction) -> Score:
    """The row of a score's name, or a row made of a callable, also of one named `"module:function"`.

    What is named may be a `Score`, which says more than a function does.
    """
    if callable(score):
        return Score(function=score, data="used")
    if is_own(score):
        return own_row("score", score, Score, score_row)
    if not isinstance(score, str) or score not in SCORES:
        raise ValueError(
            f"score={score!r} is unknown.{did_you_mean(score, SCORES)} Choose one of: "
            f"{', '.join(SCORES)}, or pass a callable "
            "(model, batches, rng) -> arrays, or its name as module:function or file.py:function."
        )
    return SCORES[score]


def name_of(score: str | ScoreFunction) -> str:
    """The name of a score, also of a callable."""
    return score if isinstance(score, str) else getattr(score, "__name__", repr(score))


def check_data(score: str | ScoreFunction, data: Any) -> None:
    """Refuses to score without data where they are needed."""
    if data is None and score_row(score).data == "needed":
        raise ValueError(
            f"score={name_of(score)!r} needs data=: (x, y) arrays or a tf.data.Dataset of batches."
        )


def check_options(row: Score, options: Mapping[str, Any], also: Sequence[str] = ()) -> None:
    """Refuses options that neither the score nor its caller takes, or of other values than it takes, and a
    callable that is no score."""
    own = {name: value for name, value in options.items() if name not in also}
    if not own and row in SCORES.values():
        return  # Nothing to check, and so nothing to import.
    signature = inspect.signature(row.resolved)
    if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        unknown = sorted(set(own) - set(row.options))
        if unknown:
            accepted = ", ".join(sorted({*row.options, *also})) or "none"
            raise ValueError(f"Unknown option {', '.join(unknown)}. Accepted here: {accepted}.")
    try:
        signature.bind("model", "batches", "rng", **own)
    except TypeError as error:
        raise ValueError(
            f"A score is called as (model, batches, rng, **options), and {name_of(row.resolved)} cannot be: "
            f"{error}."
        ) from None
    for name, value in own.items():
        kind = row.takes.get(name)
        if kind is None:
            continue
        if kind.choices:
            check_choice(name, value, kind.choices)
        elif not kind.accepts(value.item() if isinstance(value, np.generic) else value):
            raise ValueError(f"{name} is {kind.wanted(value)}. Received: {value!r}")
