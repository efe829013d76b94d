"""The frozen Config of a run, which flags and the dataset's recipe fill, and what flags are checked for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags

from tf_tickets.config.flag_definitions import DEFAULT_SPARSITY, RANKED
from tf_tickets.data.recipe import MOST, SCHEDULES, Recipe
from tf_tickets.exporting.formats import FORMATS
from tf_tickets.methods import searches
from tf_tickets.methods.choice import Choice
from tf_tickets.methods.retraining import RETRAININGS
from tf_tickets.methods.table import INIT, METHODS, REWOUND, Method
from tf_tickets.pruning.choices import GLOBAL
from tf_tickets.sanity.checks import CHECKS, NO_CHECK, check_row
from tf_tickets.storage import urls
from tf_tickets.support.late import resolve
from tf_tickets.support.startup import default_threads
from tf_tickets.training.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from tf_tickets.data import Dataset
    from tf_tickets.sanity.checks import Check

# Fields of a config that decide a dense training, but for the seed: only runs that share them are compared.
SETTING = (
    "dataset",
    "data_fingerprint",
    "validation_fraction",
    "image_size",
    "recipe",
    "replicas",
    "threads",
    "mixed_precision",
    "jit_compile",
)
# Fields that decide the source mask.
SOURCE = ("source_density", "source_ratios", "source_sampling", "source_preserve_flow")
# Fields that decide no number, or are named by a hash beside them.
DECIDE_NOTHING = ("data_dir", "run_dir", "dense_dir", "export", "ticket", "checkpoint_minutes")

# A flag that fills a field of the dataset's recipe; None keeps the recipe's value.
RECIPE_FLAGS = (
    "model",
    "width",
    "epochs",
    "batch_size",
    "optimizer",
    "learning_rate",
    "momentum",
    "nesterov",
    "weight_decay",
    "schedule",
    "milestones",
    "lr_decay",
    "min_learning_rate",
    "warmup_epochs",
    "label_smoothing",
    "augment",
)

# Flags that mean nothing for some choices: (flag, when it means something, what it needs).
METHOD_FLAGS: tuple[tuple[str, Callable[[Choice], bool], str], ...] = (
    ("rewind_epoch", lambda c: c.row.start_from == REWOUND, "rewinds to an epoch"),
    ("ratio_family", lambda c: c.smart, "uses smart ratios"),
    ("classifier_keep", lambda c: c.row.draws and (c.ranks or c.smart), "uses global or smart ratios"),
    ("redistribute", lambda c: c.row.draws and not c.ranks, "uses ratios of layers"),
    ("sampling", lambda c: c.independent and not c.ranks, "draws random masks by ratios of layers"),
    ("samples_per_class", lambda c: c.sees_data, "scores on data"),
    ("scoring_batches", lambda c: c.sees_data, "scores on data"),
    ("augment_scoring", lambda c: c.sees_data, "scores on data"),
    ("rounds", lambda c: c.iterates, "gains by rounds: it trains between them, or its score sees the masks"),
    *(
        (flag, lambda c: c.row.draws, "prunes by drawing a ticket")
        for flag in ("score", "score_options", "min_keep", "preserve_flow", "rounding")
    ),
    (
        "ratios",
        lambda c: c.row.draws or (c.row.prunes and c.row.ratios != GLOBAL),
        "prunes by ratios of layers",
    ),
    ("sparsity", lambda c: c.row.aims or not c.row.prunes, "ends at a sparsity that is asked for"),
    ("ticket", lambda c: c.row.search is None, "does not move its masks while it trains"),
    ("search_options", lambda c: c.row.search is not None, "searches while it trains"),
    ("source_density", lambda c: c.row.prunes, "prunes"),
    ("free_growth", lambda c: c.grows, "grows weights again"),
)

# Flags of drawing a ticket, which --ticket does not.
DRAWING_FLAGS = (
    "sparsity",
    *(flag for flag, _, _ in METHOD_FLAGS if flag not in ("rewind_epoch", "sparsity", "ticket")),
)

# Flags that mean something only where there is a source mask.
SOURCE_FLAGS = ("source_ratios", "source_sampling", "source_preserve_flow", "free_growth")

# The smallest and the largest value of whole numbers.
RANGES = {
    "seed": (0, 2**63 - 1),
    "min_keep": (0, MOST),
    "threads": (1, MOST),
    "image_size": (1, MOST),
    "rounds": (1, MOST),
    "samples_per_class": (1, MOST),
    "scoring_batches": (1, MOST),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides the numbers of a run, and where it goes.

    `identity` is the part that decides the numbers; its hash names the run. `dense_identity` is the part that
    decides the dense training, which runs share.
    """

    method: str
    sparsity: float
    ratios: str | tuple[float, ...]
    family: str | None
    classifier_keep: float | None
    rewind_epoch: int | None
    rounding: str
    seed: int
    dataset: str
    data_fingerprint: str
    validation_fraction: float
    image_size: int | None
    recipe: Recipe
    replicas: int
    threads: int
    data_dir: str | None = None
    run_dir: str = ""
    dense_dir: str = ""
    export: tuple[str, ...] = ("saved_model",)
    score: str | None = None
    score_code: str | None = None
    score_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    rounds: int | None = None
    redistribute: bool = True
    sampling: str = "exact"
    min_keep: int = 0
    preserve_flow: bool = False
    samples_per_class: int | None = None
    scoring_batches: int | None = None
    augment_scoring: bool | None = None
    ticket: str | None = None
    ticket_sha256: str | None = None
    sanity_check: str | None = None
    mixed_precision: str | None = None
    jit_compile: bool = False
    checkpoint_minutes: float = 10.0
    source_density: float | None = None
    source_ratios: str | tuple[float, ...] | None = None
    source_sampling: str = "exact"
    source_preserve_flow: bool = False
    free_growth: bool = False
    search_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def row(self) -> Method:
        """The method's row of the table, with the score that is asked for."""
        row = METHODS[self.method]
        return row if self.score is None else dataclasses.replace(row, score=self.score)

    @property
    def all_search_options(self) -> dict[str, Any]:
        """The options of the search, with their defaults."""
        row = self.row.search
        return {} if row is None else {**row.options, **self.search_options}

    @property
    def pretrains(self) -> bool:
        """Whether a dense network is trained first."""
        return self.row.pretrains if self.ticket is None else self.row.start_from != INIT

    @property
    def pretrains_on_other_data(self) -> bool:
        """Whether the sanity check changes what the dense network is trained on."""
        return self.pretrains and self.check.place == "data"

    @property
    def trained_rounds(self) -> int:
        """Rounds of pruning with training between them."""
        return (self.rounds or 1) if self.row.pretrains and self.ticket is None else 1

    @property
    def check(self) -> Check:
        """The row of the sanity check; one that changes nothing where there is none."""
        return NO_CHECK if self.sanity_check is None else CHECKS[self.sanity_check]

    @property
    def retraining_epochs(self) -> range:
        """The epochs of the recipe that a retraining runs."""
        return RETRAININGS[self.row.schedule].epochs(self.recipe, self.rewind_epoch or 0)

    def retraining_rate(self, epoch: int) -> float:
        """The learning rate of an epoch of a retraining."""
        return RETRAININGS[self.row.schedule].rate(self.recipe, epoch)

    @property
    def budget(self) -> int:
        """Epochs of all trainings behind the ticket: the dense one, those between rounds, the last."""
        return self.recipe.epochs * self.pretrains + len(self.retraining_epochs) * self.trained_rounds

    @property
    def identity(self) -> dict[str, Any]:
        """JSON-able: what decides the numbers.

        Later fields are left out where they have their defaults, so that runs keep their names.
        """
        fields = {**_without(self, DECIDE_NOTHING), "recipe": json.loads(json.dumps(self.recipe.identity))}
        defaults = {field.name: field for field in dataclasses.fields(self)}
        return {name: value for name, value in fields.items() if value != default_of(defaults[name])}

    @property
    def dense_identity(self) -> dict[str, Any]:
        """JSON-able: what decides the dense training."""
        own = self.identity
        identity = {key: own[key] for key in ("seed", *SETTING) if key in own}
        identity |= {key: own[key] for key in SOURCE if key in own}
        if self.pretrains_on_other_data:
            identity["sanity_check"] = self.sanity_check
        return identity

    def to_json(self) -> dict[str, Any]:
        """All fields, as JSON-able values."""
        return _without(self, ())

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Config:
        """The inverse of `to_json`."""
        fields = dict(value)
        fields["recipe"] = Recipe(**fields["recipe"])
        fields["export"] = tuple(fields.get("export", ()))
        for name in ("ratios", "source_ratios"):
            if not isinstance(fields.get(name), (str, type(None))):
                fields[name] = tuple(fields[name])
        return cls(**fields)


def check_flags(values: flags.FlagValues) -> None:
    """Refuses what can be refused before any data is read: names, ranges, flags the method does not use."""
    from tf_tickets.data.sources import check_split, find
    from tf_tickets.pruning.ratios import check_sparsity

    method = _method(values)
    row = METHODS[method]
    if values.sparsity is not None:
        check_sparsity(values.sparsity)
        if not row.prunes and values.sparsity > 0:
            raise ValueError(
                f"--method={method} keeps every weight; --sparsity={values.sparsity} is not for it."
            )
    if values.ticket is not None:
        given = [name for name in DRAWING_FLAGS if values[name].value is not None]
        if given:
            raise ValueError(
                f"--{given[0]}={values[given[0]].value} is for drawing a ticket, "
                f"and --ticket={values.ticket} brings one."
            )
        if not row.prunes:
            raise ValueError(f"--method={method} keeps every weight; --ticket={values.ticket} does not.")
    choice = _choice(values)
    for name, needs in _useless(values, choice):
        raise ValueError(
            f"--{name}={values[name].value} is only for a method that {needs}; --method={method} does not."
        )
    if values.sanity_check is not None:
        reason = says_nothing(values)
        if reason is not None:
            raise ValueError(f"--sanity_check={values.sanity_check} says nothing here: {reason}.")
    _check_source(values, row)
    if isinstance(choice.ratios, tuple) and values.sparsity is None:
        raise ValueError(f"--ratios={values.ratios} are proportions, scaled to --sparsity: say that too.")
    _check_score_options(choice, values)
    if row.search is not None:
        searches.check_options(method, row.search, _options("search_options", values.search_options))
    _classifier_keep(values.classifier_keep, row, choice.ratios)
    unknown = [name for name in values.export if name not in FORMATS]
    if unknown:
        raise ValueError(f"--export={','.join(unknown)} is unknown. Choose from: {', '.join(FORMATS)}.")
    for name, (lowest, highest) in RANGES.items():
        number = values[name].value
        if number is not None and not lowest <= number <= highest:
            raise ValueError(
                f"--{name}={number} is out of range: it is a whole number, {lowest} or more"
                f"{f', at most {highest}' if number > highest else ''}."
            )
    check_split(values.seed, values.validation_fraction)
    if not 0 <= values.checkpoint_minutes < math.inf:
        raise ValueError(f"--checkpoint_minutes={values.checkpoint_minutes} is out of range: 0 or more.")
    find(values.dataset)


def useless_flags(values: flags.FlagValues) -> list[str]:
    """Names of flags that are given and mean nothing for the method."""
    return [name for name, _ in _useless(values, _choice(values))]


def says_nothing(values: flags.FlagValues) -> str | None:
    """Why `--sanity_check` can say nothing about the method, or None where it can."""
    from tf_tickets.pruning.scores import SCORES

    check, choice = check_row(values.sanity_check), _choice(values)
    if choice.row.search is not None:
        return "the method's masks move while it trains, so that there is no ticket to attack before"
    if values.sparsity == 0:
        return "at sparsity 0 nothing is pruned"
    if values.ticket is not None:
        if check.place in ("data", "scores"):
            return f"--ticket={values.ticket} was drawn before, and {values.sanity_check} changes the drawing"
        # How the ticket was drawn counts, not how the method would draw one.
        drawn_by = str(_ticket(values.ticket).origin.get("score"))
        choice = dataclasses.replace(choice, score=SCORES.get(drawn_by, SCORES["magnitude"]))
    return check.says_nothing(choice)


def make_config(values: flags.FlagValues, dataset: Dataset, replicas: int, runs_dir: str = "runs") -> Config:
    """The Config of a run: the flags where they are given, the dataset's recipe elsewhere.

    Args:
        values: parsed flags, which `check_flags` has passed.
        dataset: the dataset that they name.
        replicas: of the strategy.
        runs_dir: folder of the run's directory, where `--run_dir` does not say it.
    """
    config = plan_config(values, dataset.recipe, replicas)
    if config.ticket is None and _choice(values).sees_data:
        config = dataclasses.replace(config, **_scoring_data(values, dataset, config.recipe))
    config = dataclasses.replace(config, data_fingerprint=dataset.fingerprint, run_dir="", dense_dir="")
    config = _placed(config, values, runs_dir)
    if values.take_over and not (urls.is_url(config.run_dir) or urls.is_url(config.dense_dir)):
        raise ValueError(
            f"--take_over is for directories at URLs. Where --run_dir is a path, as {config.run_dir} is, a "
            "process that is dead holds nothing."
        )
    return config


def plan_config(values: flags.FlagValues, recipe: Recipe, replicas: int = 1) -> Config:
    """The Config as far as it is known without the data: no fingerprint, no examples to score on.

    Its directories are no real ones, but differ where those of runs would.

    Args:
        values: parsed flags, which `check_flags` has passed.
        recipe: the dataset's.
        replicas: of the strategy.
    """
    ticket = _ticket(values.ticket)
    choice = _choice(values)
    row, method = METHODS[_method(values)], _method(values)
    given = {name: values[name].value for name in RECIPE_FLAGS if values[name].value is not None}
    if "milestones" in given:
        given["milestones"] = tuple(_number(text) for text in given["milestones"])
    if "model" in given:
        given.setdefault("width", 1.0)  # the recipe's width belongs to the recipe's model
    recipe = dataclasses.replace(recipe, **given)
    _check_recipe(recipe, given)
    source = _source(values)
    sparsity = values.sparsity
    if sparsity is None:
        # Of a search without a target it is only known what the source leaves out.
        sparsity = DEFAULT_SPARSITY if row.aims else 1 - source.get("source_density", 1.0)
    config = Config(
        method=method,
        sparsity=sparsity if ticket is None else ticket.sparsity,
        ratios=choice.ratios if ticket is None else row.ratios,
        family=values.ratio_family,
        classifier_keep=None if ticket else _classifier_keep(values.classifier_keep, row, choice.ratios),
        rewind_epoch=_rewind_epoch(values.rewind_epoch, row, recipe.epochs),
        rounding=_or(values.rounding, "exact"),
        seed=values.seed,
        dataset=values.dataset,
        data_fingerprint="",
        validation_fraction=values.validation_fraction,
        image_size=values.image_size,
        recipe=recipe,
        replicas=replicas,
        threads=values.threads or default_threads(),
        data_dir=values.data_dir,
        export=tuple(values.export),
        score=values.score,
        score_code=_code_of(values.score),
        score_options=_options("score_options", values.score_options),
        rounds=values.rounds,
        redistribute=_or(values.redistribute, True),
        sampling=_or(values.sampling, "exact"),
        min_keep=_or(values.min_keep, 0),
        preserve_flow=_or(values.preserve_flow, False),
        ticket=values.ticket,
        ticket_sha256=None if ticket is None else ticket.sha256,
        sanity_check=values.sanity_check,
        mixed_precision=values.mixed_precision,
        jit_compile=values.jit_compile,
        checkpoint_minutes=values.checkpoint_minutes,
        free_growth=_or(values.free_growth, False),
        search_options=_search_options(values.search_options, row),
        **source,
    )
    return _placed(config, values, "planned")


def _placed(config: Config, values: flags.FlagValues, runs_dir: str) -> Config:
    """The config with its directories."""
    run_dir = values.run_dir or urls.join(runs_dir, run_name(config))
    parent = urls.parent(run_dir)
    dense_dir = values.dense_dir or urls.join(parent, "dense", digest(config.dense_identity))
    if urls.same(run_dir, dense_dir):
        raise ValueError(f"--run_dir and --dense_dir are two directories. Received both: {run_dir}")
    return dataclasses.replace(config, run_dir=run_dir, dense_dir=dense_dir)


def run_name(config: Config) -> str:
    """Name of the run's directory: what a person looks for, and a hash of everything."""
    dataset = "".join(c if c.isalnum() else "_" for c in os.path.basename(config.dataset.rstrip("/")))
    model = config.recipe.model.replace(":", "_")
    check = "" if config.sanity_check is None else f"-{config.sanity_check}"
    row = METHODS.get(config.method)
    asked = f"-{config.sparsity:g}" if row is None or row.aims or not row.prunes else ""
    return f"{dataset}-{model}-{config.method}{asked}{check}-seed{config.seed}-{digest(config.identity)}"


def digest(identity: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits of a config's hash."""
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _choice(values: flags.FlagValues) -> Choice:
    """The method's row with the score and the ratios of the flags; errors where those are unknown."""
    from tf_tickets.pruning.ratios import RATIOS
    from tf_tickets.pruning.scores import score_row

    row = METHODS[_method(values)]
    try:
        score = score_row(row.score if values.score is None else values.score)
    except ValueError as error:
        raise ValueError(f"--{error}") from None
    ratios = values.ratios or row.ratios
    if ratios not in (GLOBAL, *RATIOS):
        ratios = _given_ratios(ratios, (GLOBAL, *RATIOS))
    return Choice(row, score, ratios)


def _source(values: flags.FlagValues) -> dict[str, Any]:
    """The fields of the source mask; none where there is no such mask."""
    from tf_tickets.pruning.ratios import RATIOS

    if values.source_density is None:
        return {}
    text = values.source_ratios or "erk"
    return {
        "source_density": values.source_density,
        "source_ratios": text if text in RATIOS else _given_ratios(text, tuple(RATIOS), "source_ratios"),
        "source_sampling": _or(values.source_sampling, "exact"),
        "source_preserve_flow": _or(values.source_preserve_flow, False),
    }


def _check_source(values: flags.FlagValues, row: Method) -> None:
    density = values.source_density
    if density is None:
        idle = [name for name in SOURCE_FLAGS if values[name].value is not None]
        if idle:
            raise ValueError(f"--{idle[0]} is about a source mask: say --source_density too.")
        return
    if not 0 < density <= 1:
        raise ValueError(f"--source_density={density} is out of range: a fraction of the weights, in (0, 1].")
    if values.sampling == "bernoulli":
        raise ValueError("--sampling=bernoulli draws from all weights; inside a source counts are exact.")
    if values.rounding == "reference":
        raise ValueError("--rounding=reference is for whole networks, not for inside a --source_density.")
    if values.ticket is not None:
        raise ValueError(f"--ticket={values.ticket} brings its masks; --source_density is for drawing them.")
    sparsity = DEFAULT_SPARSITY if values.sparsity is None else values.sparsity
    if row.aims and 1 - sparsity > density + 1e-9:  # 1 - 0.7 is a little more than 0.3
        raise ValueError(
            f"--sparsity={sparsity} is a density of {1 - sparsity:.6g}, and --source_density={density} has "
            "less: a target cannot be denser than its source. Raise --sparsity or --source_density."
        )
    _source(values)


def _useless(values: flags.FlagValues, choice: Choice) -> list[tuple[str, str]]:
    return [
        (name, needs)
        for name, applies, needs in METHOD_FLAGS
        if values[name].value is not None and not applies(choice)
    ]


def _given_ratios(text: str, names: Sequence[str], flag: str = "ratios") -> tuple[float, ...]:
    """Ratios of a ticket, or numbers."""
    if text.startswith("ticket:"):
        found = _ticket(text.removeprefix("ticket:"))
        return tuple(layer.keep_ratio for layer in found.layers)
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"--{flag}={text} is unknown. Choose one of: {', '.join(names)}; "
            "or give a number for each layer, or ticket:FILE."
        ) from None


def _ticket(path: str | None) -> Any:
    from tf_tickets.pruning import Ticket

    return None if path is None else Ticket.load(path)


def _method(values: flags.FlagValues) -> str:
    """The method asked for; with a ticket the one that found it, unless another is asked for."""
    method = values.method
    if values.ticket is not None and not values["method"].present:
        method = _ticket(values.ticket).origin.get("method")
        retrained = [name for name, row in METHODS.items() if row.prunes and row.search is None]
        if not isinstance(method, str) or method not in retrained:
            raise ValueError(
                f"--ticket={values.ticket} was found by {method or 'no method that is known'}: say by "
                f"--method= where its retraining starts from, one of: {', '.join(retrained)}."
            )
    if method not in METHODS:
        raise ValueError(f"--method={method} is unknown. Choose one of: {', '.join(METHODS)}.")
    return method


def _code_of(score: str | None) -> str | None:
    """Hash of the file of a score of the user's own, so that changed code is a changed config."""
    if score is None or ":" not in score:
        return None
    module = resolve(score.partition(":")[0])
    path = getattr(module, "__file__", None)
    code = b"" if path is None else pathlib.Path(path).read_bytes()
    return hashlib.sha256(code).hexdigest()[:16]


def _options(flag: str, pairs: Sequence[str] | None) -> dict[str, Any]:
    options = {}
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if name in options:
            raise ValueError(f"--{flag} gives {name} twice.")
        if not name or not equals:
            raise ValueError(f"--{flag} takes name=value. Received: {pair!r}")
        try:
            options[name] = json.loads(text)
        except json.JSONDecodeError:
            options[name] = {"True": True, "False": False, "None": None}.get(text, text)
        except (ValueError, RecursionError) as error:  # a number too long, lists too deep
            raise ValueError(f"--{flag}: {name} is no value: {error}.") from None
    return options


def _search_options(pairs: Sequence[str] | None, row: Method) -> dict[str, Any]:
    """The options that are not the search's own, so that a default written out names no other run."""
    known = row.search.options if row.search is not None else {}
    given = _options("search_options", pairs)
    return {name: value for name, value in given.items() if name not in known or value != known[name]}


def _check_score_options(choice: Choice, values: flags.FlagValues) -> None:
    from tf_tickets.pruning.scores import check_options

    try:
        check_options(choice.score, _options("score_options", values.score_options))
    except ValueError as error:
        raise ValueError(f"--score, --score_options: {error}") from None


def _scoring_data(values: flags.FlagValues, dataset: Dataset, recipe: Recipe) -> dict[str, Any]:
    """How the examples to score on are picked. Defaults are the papers' for 10, 100 and 200 classes."""
    many = dataset.num_classes > 100
    chosen = {
        "samples_per_class": _or(values.samples_per_class, 1 if many else 10),
        "scoring_batches": _or(values.scoring_batches, 10 if many else 1),
        "augment_scoring": _or(values.augment_scoring, recipe.augment),
    }
    fewest = int(np.bincount(dataset.splits["train"].labels, minlength=dataset.num_classes).min())
    if fewest < chosen["samples_per_class"]:
        raise ValueError(
            f"--samples_per_class={chosen['samples_per_class']}: a class of {dataset.name} has only {fewest} "
            "examples to train on."
        )
    if chosen["augment_scoring"] and not dataset.preprocessing.augments:
        raise ValueError(f"--augment_scoring: dataset {dataset.name} has no augmentation.")
    return chosen


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def default_of(field: dataclasses.Field) -> Any:
    """The default of a field; `dataclasses.MISSING` where it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _classifier_keep(value: str | None, row: Method, ratios: str | tuple[float, ...]) -> float | None:
    if value is None:
        return row.classifier_keep if ratios == row.ratios else None
    if value == RANKED and ratios == "global":
        return None
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number <= 1:
        raise ValueError(
            f"--classifier_keep={value}: a fraction in (0, 1], or '{RANKED}' with global ratios."
        )
    return number


def unused_fields(recipe: Recipe) -> dict[str, str]:
    """Fields that mean nothing to the recipe's optimizer and schedule -> the flag that would need them."""
    unused = {}
    for flag, table in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        chosen = getattr(recipe, flag)
        used = table[chosen].uses if chosen in table else ()
        for field in dict.fromkeys(field for row in table.values() for field in row.uses):
            if field not in used:
                users = (name for name, row in table.items() if field in row.uses)
                unused[field] = f"--{flag}={' or '.join(users)}"
    return unused


def _check_recipe(recipe: Recipe, given: Mapping[str, Any]) -> None:
    """Refuses flags that would change nothing but the name of the run."""
    for name, needs in unused_fields(recipe).items():
        if name in given:
            raise ValueError(f"--{name}={given[name]} is only for {needs}.")
    beyond = [epoch for epoch in recipe.milestones if epoch >= max(recipe.epochs, 1)]
    if "milestones" in given and recipe.schedule == "milestones" and beyond:
        raise ValueError(
            f"--milestones: {beyond[0]:g} lies beyond the {recipe.epochs} epochs. (Fractions are below 1.)"
        )


def _rewind_epoch(value: int | None, row: Method, epochs: int) -> int | None:
    if row.start_from != REWOUND:
        return None
    epoch = round(epochs / 10) if value is None else value
    if not 0 <= epoch < epochs:
        raise ValueError(f"--rewind_epoch={epoch} is not one of the {epochs} epochs (they count from 0).")
    return epoch


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"--milestones takes numbers. Received: {text!r}") from None
    return int(value) if math.isfinite(value) and value >= 1 and value == int(value) else value


def _without(config: Config, names: tuple[str, ...]) -> dict[str, Any]:
    fields = dataclasses.asdict(config)
    return json.loads(json.dumps({key: value for key, value in fields.items() if key not in names}))
