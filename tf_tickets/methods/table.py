"""The methods: each is one row that says what to score, how much to keep where, and where to retrain from."""

import dataclasses
from collections.abc import Callable
from typing import Any

from tf_tickets.methods.retraining import RETRAININGS
from tf_tickets.methods.searches import Moving, Search, annealing, edge_popup, soft_threshold
from tf_tickets.pruning.choices import CLASSIFIER_KEEP, GLOBAL, LOTTERY_CLASSIFIER_KEEP
from tf_tickets.pruning.pattern_names import chosen_pattern
from tf_tickets.pruning.scores import ScoreFunction
from tf_tickets.support.late import late
from tf_tickets.support.own_code import row_of
from tf_tickets.support.short_reprs import Rows, short_fields

INIT, REWOUND, TRAINED = "init", "rewound", "trained"
COLUMNS = {
    "scored_at": (INIT, TRAINED),
    "start_from": (INIT, REWOUND, TRAINED),
    "schedule": tuple(RETRAININGS),
}


@dataclasses.dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        score: name of a score, or a callable: which weights matter?
        ratios: `"global"` or a rule of `keep_counts`: how many to keep in each layer?
        scored_at: `"init"` or `"trained"`: whose weights are scored?
        start_from: `"init"`, `"rewound"` (the weights of epoch k) or `"trained"`: where retraining begins.
        schedule: which part of the learning-rate schedule retraining follows: `"full"`, `"rest"` (from epoch
            k on), `"last"` (the last rate throughout) or `"none"` (there is no retraining).
        classifier_keep: fraction of each classifier, the weights that feed an output, that is kept apart from
            the rest; None ranks them with the rest (global ratios), or means 0.3 (smart ratios).
        prunes: False for the dense baseline, whose sparsity is 0.
        search: how masks move while the network trains; None: they stay what they are.
        solver: (model, batches, goal, **options) -> `pruning.Solution`: how weights that are kept make up
            for those that are removed, on the examples that the ticket is drawn by. Where the score says so
            (`Score.by_solver`), it chooses the masks, too. None: weights stay what they are.
        baseline: place among the random tickets that every other method is compared with; 0: it is none.
        null: whether it is one of the random tickets of hand-made ratios that a method must be ahead of
            before a check of it means anything.
        about: one line for people, with the paper's section.
        pattern: which weights are kept together, or how many of neighbours at most, see `tf_tickets.prune`;
            None: each is kept or not by itself.
    """

    score: str | ScoreFunction
    ratios: str
    scored_at: str
    start_from: str
    schedule: str
    about: str
    classifier_keep: float | None = None
    prunes: bool = True
    search: Search | None = None
    solver: Callable[..., Any] | None = None
    baseline: int = 0
    null: bool = False
    pattern: str | None = None

    __repr__ = short_fields

    def __post_init__(self) -> None:
        for column, accepted in COLUMNS.items():
            value = getattr(self, column)
            if value not in accepted:
                raise ValueError(
                    f"A method's {column} is one of {', '.join(map(str, accepted))}. Received: {value!r}"
                )
        chosen_pattern(None, self.pattern)
        if not isinstance(self.search, Search | None):
            raise ValueError(f"A method's search is a Search, or None. Received: {self.search!r}")
        if self.solver is not None and not callable(self.solver):
            raise ValueError(f"A method's solver is a function, or None. Received: {self.solver!r}")

    @property
    def pretrains(self) -> bool:
        """Whether a dense network is trained first."""
        return TRAINED in (self.scored_at, self.start_from)

    @property
    def retrains(self) -> bool:
        """Whether what is pruned is trained afterwards; otherwise the dense network is given, and pruned."""
        return RETRAININGS[self.schedule].trains

    @property
    def draws(self) -> bool:
        """Whether a ticket of the sparsity that is asked for is drawn before the last training."""
        return self.prunes and (self.search is None or self.search.drawn)

    @property
    def aims(self) -> bool:
        """Whether the sparsity is one that is asked for."""
        return self.prunes and (self.search is None or self.search.aims)

    @property
    def rewinds(self) -> bool:
        """Whether weights from before the end of dense training are needed."""
        return self.pretrains and self.start_from != TRAINED


def _random(ratios: str, about: str) -> Method:
    return Method(
        score="random", ratios=ratios, scored_at=INIT, start_from=INIT, schedule="full", about=about
    )


def _at_init(score: str, about: str) -> Method:
    return Method(score=score, ratios=GLOBAL, scored_at=INIT, start_from=INIT, schedule="full", about=about)


def _searched(score: str, ratios: str, search: Search, about: str) -> Method:
    return Method(
        score=score,
        ratios=ratios,
        scored_at=INIT,
        start_from=INIT,
        schedule="full",
        search=search,
        about=about,
    )


METHODS: dict[str, Method] = {
    "dense": Method(
        score="magnitude",
        ratios="uniform",
        scored_at=TRAINED,
        start_from=TRAINED,
        schedule="none",
        prunes=False,
        about="the whole network, trained once: the baseline",
    ),
    "random": Method(
        score="random",
        ratios="smart",
        scored_at=INIT,
        start_from=INIT,
        schedule="full",
        classifier_keep=CLASSIFIER_KEEP,
        about="random ticket: smart keep-ratios, random masks (section 4.2)",
        baseline=2,
        null=True,
    ),
    "uniform": dataclasses.replace(
        _random("uniform", "random masks, the same keep-ratio in every layer"), baseline=1
    ),
    "er": _random("er", "random masks, density (n_in + n_out) / (n_in n_out) in each layer (SET)"),
    "erk": dataclasses.replace(
        _random("erk", "random masks, Erdos-Renyi-Kernel: density by the sum over the product of the shape"),
        null=True,
    ),
    "balanced": dataclasses.replace(
        _random("balanced", "random masks, the same number of weights in each layer"), null=True
    ),
    "pyramidal": _random("pyramidal", "random masks, density p^l in the l-th layer"),
    "magnitude": _at_init("magnitude", "magnitudes of the initialisation, all layers ranked together"),
    "snip": _at_init("snip", "connection sensitivity |w dL/dw| at the initialisation (section 4.1)"),
    "grasp": _at_init(
        "grasp", "gradient signal preservation: what removal does to the gradient norm (section 4.1)"
    ),
    "synflow": _at_init(
        "synflow", "synaptic flow |w dR/dw| at the initialisation, without data, in 100 rounds"
    ),
    "lt": Method(
        score="magnitude",
        ratios=GLOBAL,
        scored_at=TRAINED,
        start_from=INIT,
        schedule="full",
        classifier_keep=LOTTERY_CLASSIFIER_KEEP,
        about="lottery ticket: trained magnitudes, weights back at the initialisation (section 4.1)",
    ),
    "weight_rewinding": Method(
        score="magnitude",
        ratios=GLOBAL,
        scored_at=TRAINED,
        start_from=REWOUND,
        schedule="rest",
        classifier_keep=LOTTERY_CLASSIFIER_KEEP,
        about="trained magnitudes, weights and schedule back at epoch k (section 5.1)",
    ),
    "lr_rewinding": Method(
        score="magnitude",
        ratios=GLOBAL,
        scored_at=TRAINED,
        start_from=TRAINED,
        schedule="full",
        classifier_keep=LOTTERY_CLASSIFIER_KEEP,
        about="trained magnitudes and weights, the schedule from its top (section 5.1)",
    ),
    "hybrid": Method(
        score="magnitude",
        ratios="smart",
        scored_at=TRAINED,
        start_from=TRAINED,
        schedule="full",
        classifier_keep=CLASSIFIER_KEEP,
        about="hybrid ticket: smart keep-ratios, trained magnitudes, learning-rate rewinding (section 5.2)",
    ),
    "obd": Method(
        score="obd",
        ratios=GLOBAL,
        scored_at=TRAINED,
        start_from=TRAINED,
        schedule="full",
        about="optimal brain damage: w^2 times the curvature of the trained loss / 2",
    ),
    "finetune": Method(
        score="magnitude",
        ratios=GLOBAL,
        scored_at=TRAINED,
        start_from=TRAINED,
        schedule="last",
        classifier_keep=LOTTERY_CLASSIFIER_KEEP,
        about="trained magnitudes and weights, retrained at the last learning rate",
    ),
    "wanda": Method(
        score="wanda",
        ratios="uniform",
        scored_at=TRAINED,
        start_from=TRAINED,
        schedule="none",
        # The paper compares weights of the same output, of which each keeps as many.
        pattern="constant_fan_in",
        about="magnitude times the norm of the inputs on calibration data, not retrained",
    ),
    "sparsegpt": Method(
        score="obs",
        ratios="uniform",
        scored_at=TRAINED,
        start_from=TRAINED,
        schedule="none",
        solver=late("tf_tickets.pruning.sparsegpt:sparsegpt"),
        about="layer by layer, the weights that are kept make up for the others on calibration data",
    ),
    "gmp": _searched(
        "magnitude",
        GLOBAL,
        Search(
            options={"frequency": 100, "until": 0.75},
            library="fit with tt.callbacks.GradualMagnitudePruning(sparsity)",
            callbacks=Moving("GradualMagnitudePruning", takes_target=True),
        ),
        "gradual magnitude pruning, along a cubic schedule while training",
    ),
    "str": _searched(
        "magnitude",
        GLOBAL,
        Search(
            options={"initial_value": -200.0, "decay": None},
            library="call tt.sparse_training.soft_threshold(model) and fit",
            aims=False,
            convert=soft_threshold,
        ),
        "layers learn below which magnitude a weight is 0 (STR, soft threshold)",
    ),
    "rigl": _searched(
        "random",
        "erk",
        Search(
            options={"frequency": 100, "drop_fraction": 0.3, "drop_schedule": "cosine", "until": 0.75},
            library='call tt.prune(model, "erk", sparsity) and fit with tt.callbacks.RigL()',
            drawn=True,
            grows=True,
            callbacks=Moving("RigL", takes_target=False),
        ),
        "drops by magnitude and grows by gradient while training (RigL)",
    ),
    "set": _searched(
        "random",
        "erk",
        Search(
            options={"frequency": 100, "drop_fraction": 0.3, "drop_schedule": "constant", "until": 0.75},
            library='call tt.prune(model, "erk", sparsity) and fit with tt.callbacks.SET()',
            drawn=True,
            grows=True,
            callbacks=Moving("SET", takes_target=False),
        ),
        "drops by magnitude and grows at random while training (SET)",
    ),
    "granet": _searched(
        "magnitude",
        GLOBAL,
        Search(
            options={"frequency": 100, "drop_fraction": 0.5, "until": 0.75},
            library="fit with tt.callbacks.GraNet(sparsity)",
            grows=True,
            callbacks=Moving("GraNet", takes_target=True),
        ),
        "gradual magnitude pruning that also drops and grows (GraNet)",
    ),
    "edge_popup": _searched(
        "random",
        "uniform",
        Search(
            options={"weights": "signed_constant", "scale_by_density": False, "start": 0.6, "levels": 5},
            library="call tt.sparse_training.edge_popup(model, sparsity) and fit",
            in_levels=True,
            callbacks=annealing,
            convert=edge_popup,
        ),
        "strong ticket: random weights stay, trained scores select them",
    ),
}
METHODS = Rows(METHODS)


def method_row(method: str | Method, option: str = "method") -> Method:
    """The row of a method's name; a `Method` of your own, as it is or by `file.py:name`.

    Args:
        method: what is asked for.
        option: that it was given for, for messages.

    Raises:
        ValueError: there is no such method.
    """
    return row_of(option, method, METHODS, Method, what=". Make it by tf_tickets.Method(score=..., ...).")


def null_methods(retrains: bool = True) -> list[str]:
    """Names of the random tickets of hand-made ratios that a method must be ahead of.

    Args:
        retrains: whether the method retrains its tickets; with those of a method that does not, only such
            that are not retrained either are compared.
    """
    return [name for name, row in METHODS.items() if row.null and row.retrains == retrains]


def baseline_methods() -> list[str]:
    """Names of the methods that every other is compared with, in their order."""
    return [name for _, name in sorted((row.baseline, name) for name, row in METHODS.items() if row.baseline)]
