"""The flags of the command line, and the frozen Config that they and the dataset's recipe fill."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags

from tf_tickets.data.recipe import SCHEDULES, Recipe
from tf_tickets.methods import FAMILIES, METHODS, REWOUND, ROUNDINGS, Method

if TYPE_CHECKING:
    from tf_tickets.data import Dataset

DEFAULT_SPARSITY = 0.98
EXPORTS = ("saved_model", "keras", "litert")
OPTIMIZERS = ("sgd", "adam", "adamw")
STRATEGIES = ("auto", "none", "mirrored")
RANKED = "ranked"

# What --help shows, in this order; every flag belongs to one group.
TICKET, DATA, MODEL, TRAINING, PLACES, MACHINE = (
    "The ticket",
    "The data",
    "The model",
    "The training (each overrides the dataset's recipe)",
    "Where things are",
    "The machine",
)
GROUPS = (TICKET, DATA, MODEL, TRAINING, PLACES, MACHINE)

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
    "augment",
)

# Flags that mean nothing for some methods: (flag, when it means something, what it needs).
METHOD_FLAGS = (
    ("rewind_epoch", lambda row, ratios: row.start_from == REWOUND, "rewinds to an epoch"),
    ("ratio_family", lambda row, ratios: ratios.startswith("smart"), "uses smart ratios"),
    (
        "classifier_keep",
        lambda row, ratios: row.prunes and (ratios == "global" or ratios.startswith("smart")),
        "uses global or smart ratios",
    ),
)

# Flags of the recipe that mean nothing for some recipes: (flag, when it means something, what it needs).
RECIPE_FLAGS_OF = (
    ("momentum", lambda recipe: recipe.optimizer == "sgd", "--optimizer=sgd"),
    ("nesterov", lambda recipe: recipe.optimizer == "sgd", "--optimizer=sgd"),
    ("weight_decay", lambda recipe: recipe.optimizer != "adam", "--optimizer=sgd or adamw"),
    ("milestones", lambda recipe: recipe.schedule == "milestones", "--schedule=milestones"),
    ("lr_decay", lambda recipe: recipe.schedule == "milestones", "--schedule=milestones"),
    ("min_learning_rate", lambda recipe: recipe.schedule == "cosine", "--schedule=cosine"),
)


def define_flags() -> None:
    """Defines the flags of a run (once), each in one of `GROUPS`."""
    if "method" in flags.FLAGS:
        return
    methods = "; ".join(f"{name}: {row.about}" for name, row in METHODS.items())
    _define(flags.DEFINE_string, TICKET, "method", "hybrid", f"What to do. {methods}.")
    _define(
        flags.DEFINE_float,
        TICKET,
        "sparsity",
        None,
        f"Fraction of the prunable weights to remove, in [0, 1). Default {DEFAULT_SPARSITY} (0 for dense).",
    )
    _define(flags.DEFINE_integer, TICKET, "seed", 0, "Of the init, the data order and the masks.")
    _define(flags.DEFINE_string, TICKET, "ratios", None, "Keep-ratios instead of the method's own.")
    _define(
        flags.DEFINE_enum,
        TICKET,
        "ratio_family",
        None,
        "Form of the smart ratios. Default: vgg for our VGGs, resnet for everything else.",
        choices=FAMILIES,
    )
    _define(
        flags.DEFINE_string,
        TICKET,
        "classifier_keep",
        None,
        f"Fraction of the classifier kept apart from the rest, or '{RANKED}' to rank it with the rest "
        "(global ratios). Default: the method's.",
    )
    _define(
        flags.DEFINE_integer,
        TICKET,
        "rewind_epoch",
        None,
        "Epoch that weight rewinding goes back to. Default: a tenth of the epochs.",
    )
    _define(
        flags.DEFINE_enum,
        TICKET,
        "rounding",
        "exact",
        "How ratios become counts: exact totals, or the authors' arithmetic.",
        choices=ROUNDINGS,
    )
    _define(
        flags.DEFINE_string,
        DATA,
        "dataset",
        "digits",
        "digits, cifar10, cifar100, fashion_mnist, tiny_imagenet, tfds:NAME, idx:DIR or npz:FILE.",
    )
    _define(flags.DEFINE_string, DATA, "data_dir", None, "Where TFDS keeps its datasets.")
    _define(
        flags.DEFINE_float,
        DATA,
        "validation_fraction",
        0.0,
        "Part of the training set to hold out, stratified. The test set never selects anything.",
    )
    _define(flags.DEFINE_integer, DATA, "image_size", None, "Resize images to this many pixels.")
    _define(
        flags.DEFINE_string,
        MODEL,
        "model",
        None,
        "vgg11, vgg13, vgg16, vgg19, resnet{6n+2}, lenet_300_100, mlp_A_B_..., or keras:NAME.",
    )
    _define(
        flags.DEFINE_float,
        MODEL,
        "width",
        None,
        "Scales the widths; 1.0 is the paper's. Default: the recipe's, or 1.0 with --model.",
    )
    _define(flags.DEFINE_integer, TRAINING, "epochs", None, "Of dense training, and of retraining.")
    _define(flags.DEFINE_integer, TRAINING, "batch_size", None, "Global batch size.")
    _define(flags.DEFINE_enum, TRAINING, "optimizer", None, "Optimizer.", choices=OPTIMIZERS)
    _define(flags.DEFINE_float, TRAINING, "learning_rate", None, "At the top of the schedule.")
    _define(flags.DEFINE_float, TRAINING, "momentum", None, "Of SGD.")
    _define(flags.DEFINE_bool, TRAINING, "nesterov", None, "Nesterov's momentum.")
    _define(
        flags.DEFINE_float,
        TRAINING,
        "weight_decay",
        None,
        "Of SGD: L2, added to every gradient. Of AdamW: decoupled.",
    )
    _define(flags.DEFINE_enum, TRAINING, "schedule", None, "Schedule.", choices=SCHEDULES)
    _define(
        flags.DEFINE_list,
        TRAINING,
        "milestones",
        None,
        "Where the rate drops: fractions of the epochs, or 0-based epochs.",
    )
    _define(flags.DEFINE_float, TRAINING, "lr_decay", None, "Factor at each milestone.")
    _define(flags.DEFINE_float, TRAINING, "min_learning_rate", None, "Floor of the cosine.")
    _define(flags.DEFINE_integer, TRAINING, "warmup_epochs", None, "Epochs of linear warm-up.")
    _define(flags.DEFINE_bool, TRAINING, "augment", None, "Random crops and flips.")
    _define(
        flags.DEFINE_string,
        PLACES,
        "run_dir",
        None,
        "Where the run goes. Default: runs/NAME-HASH, named after the config.",
    )
    _define(
        flags.DEFINE_string,
        PLACES,
        "dense_dir",
        None,
        "The dense training that runs share. Default: RUN_DIR/../dense/HASH.",
    )
    _define(
        flags.DEFINE_list,
        PLACES,
        "export",
        ["saved_model"],
        f"Formats to export, any of {', '.join(EXPORTS)}; empty for none.",
    )
    _define(
        flags.DEFINE_enum,
        MACHINE,
        "strategy",
        "auto",
        "tf.distribute strategy; auto is mirrored where there are several GPUs.",
        choices=STRATEGIES,
    )
    _define(
        flags.DEFINE_integer,
        MACHINE,
        "threads",
        None,
        "Intra-op threads; they change the last bits on CPUs. Default: all cores.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides the numbers of a run, and where it goes.

    `identity` is the part that decides the numbers; its hash names the run. `dense_identity` is the part that
    decides the dense training, which runs share.
    """

    method: str
    sparsity: float
    ratios: str
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

    @property
    def row(self) -> Method:
        """The method's row of the table."""
        return METHODS[self.method]

    @property
    def identity(self) -> dict[str, Any]:
        """JSON-able: what decides the numbers."""
        return _without(self, ("data_dir", "run_dir", "dense_dir", "export"))

    @property
    def dense_identity(self) -> dict[str, Any]:
        """JSON-able: what decides the dense training."""
        keys = (
            "seed",
            "dataset",
            "data_fingerprint",
            "validation_fraction",
            "image_size",
            "recipe",
            "replicas",
            "threads",
        )
        return {key: self.identity[key] for key in keys}

    def to_json(self) -> dict[str, Any]:
        """All fields, as JSON-able values."""
        return _without(self, ())

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Config:
        """The inverse of `to_json`."""
        fields = dict(value)
        fields["recipe"] = Recipe(**fields["recipe"])
        fields["export"] = tuple(fields.get("export", ()))
        return cls(**fields)


def check_flags(values: flags.FlagValues) -> None:
    """Refuses what can be refused before any data is read: names, ranges, flags the method does not use."""
    from tf_tickets.data.sources import find
    from tf_tickets.pruning.ratios import RATIOS, check_sparsity

    if values.method not in METHODS:
        raise ValueError(f"--method={values.method} is unknown. Choose one of: {', '.join(METHODS)}.")
    row = METHODS[values.method]
    if values.sparsity is not None:
        check_sparsity(values.sparsity)
        if not row.prunes and values.sparsity > 0:
            raise ValueError(
                f"--method={values.method} keeps every weight; --sparsity={values.sparsity} is not for it."
            )
    if values.ratios is not None and values.ratios not in ("global", *RATIOS):
        raise ValueError(f"--ratios={values.ratios} is unknown. Choose one of: global, {', '.join(RATIOS)}.")
    ratios = values.ratios or row.ratios
    for name, applies, needs in METHOD_FLAGS:
        if values[name].value is not None and not applies(row, ratios):
            raise ValueError(
                f"--{name}={values[name].value} is only for a method that {needs}; "
                f"--method={values.method} does not."
            )
    if values.ratios is not None and not row.prunes:
        raise ValueError(f"--ratios={values.ratios} is only for a method that prunes.")
    _classifier_keep(values.classifier_keep, row, ratios)
    unknown = [name for name in values.export if name not in EXPORTS]
    if unknown:
        raise ValueError(f"--export={','.join(unknown)} is unknown. Choose from: {', '.join(EXPORTS)}.")
    for name in ("seed", "threads", "image_size"):
        number = values[name].value
        if number is not None and number < (0 if name == "seed" else 1):
            raise ValueError(
                f"--{name}={number} is out of range: it is a whole number, 0 (seed) or 1 and up."
            )
    find(values.dataset)


def make_config(values: flags.FlagValues, dataset: Dataset, replicas: int) -> Config:
    """The Config of a run: the flags where they are given, the dataset's recipe elsewhere."""
    row = METHODS[values.method]
    ratios = values.ratios or row.ratios
    given = {name: values[name].value for name in RECIPE_FLAGS if values[name].value is not None}
    if "milestones" in given:
        given["milestones"] = tuple(_number(text) for text in given["milestones"])
    if "model" in given:
        given.setdefault("width", 1.0)  # the recipe's width belongs to the recipe's model
    recipe = dataclasses.replace(dataset.recipe, **given)
    _check_recipe(recipe, given)
    config = Config(
        method=values.method,
        sparsity=values.sparsity if values.sparsity is not None else DEFAULT_SPARSITY * row.prunes,
        ratios=ratios,
        family=values.ratio_family,
        classifier_keep=_classifier_keep(values.classifier_keep, row, ratios),
        rewind_epoch=_rewind_epoch(values.rewind_epoch, row, recipe.epochs),
        rounding=values.rounding,
        seed=values.seed,
        dataset=values.dataset,
        data_fingerprint=fingerprint(dataset),
        validation_fraction=values.validation_fraction,
        image_size=values.image_size,
        recipe=recipe,
        replicas=replicas,
        threads=values.threads or default_threads(),
        data_dir=values.data_dir,
        export=tuple(values.export),
    )
    run_dir = values.run_dir or os.path.join("runs", run_name(config))
    parent = os.path.dirname(os.path.abspath(run_dir))
    dense_dir = values.dense_dir or os.path.join(parent, "dense", digest(config.dense_identity))
    if os.path.abspath(run_dir) == os.path.abspath(dense_dir):
        raise ValueError(f"--run_dir and --dense_dir are two directories. Received both: {run_dir}")
    return dataclasses.replace(config, run_dir=run_dir, dense_dir=dense_dir)


def run_name(config: Config) -> str:
    """Name of the run's directory: what a person looks for, and a hash of everything."""
    dataset = "".join(c if c.isalnum() else "_" for c in os.path.basename(config.dataset.rstrip("/")))
    model = config.recipe.model.replace(":", "_")
    return (
        f"{dataset}-{model}-{config.method}-{config.sparsity:g}-seed{config.seed}-{digest(config.identity)}"
    )


def digest(identity: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits of a config's hash."""
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def fingerprint(dataset: Dataset) -> str:
    """Hash of the raw examples of all splits, so that a changed file is a changed config."""
    hasher = hashlib.blake2b(digest_size=8)
    for split in sorted(dataset.splits):
        examples = dataset.splits[split]
        for array in (examples.images, examples.labels):
            hasher.update(f"{split}{array.shape}{array.dtype}".encode())
            hasher.update(np.ascontiguousarray(array).data)
    return hasher.hexdigest()


def default_threads() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _classifier_keep(value: str | None, row: Method, ratios: str) -> float | None:
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


def _check_recipe(recipe: Recipe, given: Mapping[str, Any]) -> None:
    """Refuses flags that would change nothing but the name of the run."""
    for name, applies, needs in RECIPE_FLAGS_OF:
        if name in given and not applies(recipe):
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
    return int(value) if value >= 1 and value == int(value) else value


def _without(config: Config, names: tuple[str, ...]) -> dict[str, Any]:
    fields = dataclasses.asdict(config)
    return json.loads(json.dumps({key: value for key, value in fields.items() if key not in names}))


def _define(define, group: str, name: str, default, help: str, choices=None) -> None:
    if choices is None:
        define(name, default, help, module_name=group)
    else:
        define(name, default, list(choices), help, module_name=group)
