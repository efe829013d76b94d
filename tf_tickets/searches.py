"""The searches: how masks are found while a network trains, each a row of the table `SEARCHES`."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from tf_tickets.pruning import Ticket


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What a search is told of its run.

    Attributes:
        sparsity: the target.
        ratios: how many weights of each layer, where the search fixes that.
        source: masks that it stays inside; None where it is free.
        steps: optimizer steps of the whole training.
        decays: whether the optimizer decays every variable.
        seed: of random numbers.
    """

    sparsity: float
    ratios: str | Sequence[float]
    source: Ticket | None
    steps: int
    decays: bool
    seed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """One row of the table.

    Attributes:
        options: names and defaults of `--search_options`.
        drawn: whether training starts from a ticket of the target's sparsity; otherwise from all weights of
            the source mask, or of the network where there is none.
        aims: whether the search ends at a sparsity that is asked for.
        grows: whether weights come back that were pruned.
        in_levels: whether the density changes at the beginnings of epochs only.
        library: how to do the same to a model of one's own, for messages.
        callbacks: (plan, **options) -> the Keras callbacks of the training.
        convert: (model, plan, **options): what is changed in the model before it trains, in place.
    """

    options: Mapping[str, Any]
    library: str
    drawn: bool = False
    aims: bool = True
    grows: bool = False
    in_levels: bool = False
    callbacks: Callable[..., list[keras.callbacks.Callback]] = lambda plan, **options: []
    convert: Callable[..., None] | None = None


def check_options(name: str, given: Mapping[str, Any]) -> None:
    """Raises ValueError for options that the search does not have."""
    known = SEARCHES[name].options
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(
            f"--search_options: {name} has no option {', '.join(unknown)}. "
            f"It has: {', '.join(f'{option}={value}' for option, value in known.items())}."
        )


def _moving(callback: str, takes_target: bool) -> Callable[..., list[keras.callbacks.Callback]]:
    """Callbacks that move masks from the first step up to the part `until` of the training."""

    def make(plan: SearchPlan, until: float, **options: Any) -> list[keras.callbacks.Callback]:
        if isinstance(until, bool) or not isinstance(until, (int, float)) or not 0 < until <= 1:
            raise ValueError(f"until= is a part of the training, in (0, 1]. Received: {until!r}")
        module = importlib.import_module("tf_tickets.sparse_training")
        target = {"sparsity": plan.sparsity} if takes_target else {}
        end = max(1, round(until * plan.steps))
        if isinstance(options["frequency"], int) and options["frequency"] >= end:
            raise ValueError(
                f"frequency={options['frequency']} is no less than the {end} steps in which masks move, "
                f"until={until} of {plan.steps}: lower it, or train longer."
            )
        return [
            getattr(module, callback)(
                begin_step=0, end_step=end, source=plan.source, seed=plan.seed, **target, **options
            )
        ]

    return make


def _soft_threshold(model: keras.Model, plan: SearchPlan, initial_value: float, decay: float | None) -> None:
    if decay is None and not plan.decays:
        raise ValueError(
            "Thresholds rise only by decay, and this recipe's optimizer gives them none: pass "
            "--search_options=decay=0.0005, or --optimizer=sgd with a --weight_decay."
        )
    module = importlib.import_module("tf_tickets.sparse_training")
    module.soft_threshold(model, initial_value, decay)


def _edge_popup(
    model: keras.Model, plan: SearchPlan, weights: str, scale_by_density: bool, **annealing: Any
) -> None:
    module = importlib.import_module("tf_tickets.sparse_training")
    module.edge_popup(model, plan.sparsity, plan.ratios, weights, scale_by_density, plan.seed)


def _annealing(plan: SearchPlan, start: float | None, levels: int, **weights: Any) -> list:
    if start is None:
        return []
    if isinstance(start, (int, float)) and start < 1 - plan.sparsity - 1e-9:
        raise ValueError(
            f"start={start} is a density below that of the target, {1 - plan.sparsity:.6g}: raise it, or "
            "pass start=null for a search that is not annealed."
        )
    module = importlib.import_module("tf_tickets.sparse_training")
    return [module.AnnealedDensity(start, levels)]


SEARCHES: dict[str, Search] = {
    "gmp": Search(
        options={"frequency": 100, "until": 0.75},
        library="fit with tt.callbacks.GradualMagnitudePruning(sparsity)",
        callbacks=_moving("GradualMagnitudePruning", True),
    ),
    "str": Search(
        options={"initial_value": -200.0, "decay": None},
        library="call tt.sparse_training.soft_threshold(model) and fit",
        aims=False,
        convert=_soft_threshold,
    ),
    "rigl": Search(
        options={"frequency": 100, "drop_fraction": 0.3, "drop_schedule": "cosine", "until": 0.75},
        library='call tt.prune(model, "erk", sparsity) and fit with tt.callbacks.RigL()',
        drawn=True,
        grows=True,
        callbacks=_moving("RigL", False),
    ),
    "set": Search(
        options={"frequency": 100, "drop_fraction": 0.3, "drop_schedule": "constant", "until": 0.75},
        library='call tt.prune(model, "erk", sparsity) and fit with tt.callbacks.SET()',
        drawn=True,
        grows=True,
        callbacks=_moving("SET", False),
    ),
    "granet": Search(
        options={"frequency": 100, "drop_fraction": 0.5, "until": 0.75},
        library="fit with tt.callbacks.GraNet(sparsity)",
        grows=True,
        callbacks=_moving("GraNet", True),
    ),
    "edge_popup": Search(
        options={"weights": "signed_constant", "scale_by_density": False, "start": 0.6, "levels": 5},
        library="call tt.sparse_training.edge_popup(model, sparsity) and fit",
        in_levels=True,
        callbacks=_annealing,
        convert=_edge_popup,
    ),
}
