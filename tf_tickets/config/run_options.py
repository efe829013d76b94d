"""The options of a run that are not its recipe's: each is declared here, once.

An option is a field: its type, and by `option` what it takes, its group and words in `--help`, its default,
for which methods it means anything, and what it decides. Flags, checks, the `Config`, its JSON, the command
that makes a run again and the checks of files that are read are made of that (`tf_tickets.support.options`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_tickets.config import needs
from tf_tickets.config.kinds import CLASSIFIER_KEEP, FILE, METHOD_FACTS, PATTERN, PLACE, RATIOS
from tf_tickets.data.recognition import AUTO, STANDARDIZE
from tf_tickets.data.sources import SOURCES, named_dataset
from tf_tickets.methods.table import METHODS
from tf_tickets.pruning.choices import (
    FAMILIES,
    METHODS_OWN,
    MOST_BATCHES,
    MOST_ROUNDS,
    RANKED,
    ROUNDINGS,
    SAMPLINGS,
)
from tf_tickets.pruning.pattern_names import ACCEPTED
from tf_tickets.sanity.checks import CHECKS
from tf_tickets.support.options import (
    DATA,
    MACHINE,
    NOTHING,
    PLACES,
    QUESTION,
    RETRAINING,
    SETTING,
    SOURCE,
    TICKET,
    TRAINING,
    Beside,
    choice,
    mapping,
    number,
    option,
    own_names,
    pairs,
    switch,
    text,
    whole,
)
from tf_tickets.support.own_code import short_name
from tf_tickets.training.recipe import Recipe

DEFAULT_SPARSITY = 0.98
PRECISIONS = ("float16", "bfloat16")
BESIDE_SOURCE = Beside("source_density", "a source mask")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What a run is told. Fields without a group are found, not given."""

    method: str = option(
        text(),
        TICKET,
        f"What to do. {'; '.join(f'{name}: {row.about}' for name, row in METHODS.items())}. Or a row of your "
        "own, file.py:name of a tf_tickets.Method.",
        default="hybrid",
        decides=QUESTION,
        always_named=True,
        named=short_name,
    )
    sparsity: float = option(
        number("[0, 1)"),
        TICKET,
        f"Fraction of the prunable weights to remove, in [0, 1). Default {DEFAULT_SPARSITY} (0 for dense).",
        needs=needs.AIMS,
        always_named=True,
    )
    ratios: str | tuple[float, ...] = option(
        RATIOS,
        TICKET,
        "Keep-ratios instead of the method's own: a name, a number for each layer (1,0.5,0.1), or "
        "ticket:FILE for those of a ticket.",
        needs=needs.BY_LAYERS,
        always_named=True,
        named=short_name,
    )
    family: str | None = option(
        choice(FAMILIES),
        TICKET,
        "Form of the smart ratios. Default: vgg for our VGGs, resnet for everything else.",
        flag="ratio_family",
        default=None,
        needs=needs.HAS_FAMILIES,
        always_named=True,
    )
    classifier_keep: float | None = option(
        CLASSIFIER_KEEP,
        TICKET,
        f"Fraction of each classifier (what feeds an output) kept apart from the rest, or '{RANKED}' to rank "
        f"it with the rest (global ratios). Default: '{METHODS_OWN}', the method's own.",
        needs=needs.SETS_APART,
        always_named=True,
    )
    rewind_epoch: int | None = option(
        whole(0),
        TICKET,
        "Epoch that weight rewinding goes back to. Default: a tenth of the epochs.",
        needs=needs.REWINDS,
        decides=RETRAINING,
        always_named=True,
    )
    rounding: str = option(
        choice(ROUNDINGS),
        TICKET,
        "How ratios become counts: exact totals (default), or the authors' arithmetic.",
        default="exact",
        needs=needs.DRAWS,
        always_named=True,
    )
    seed: int = option(
        whole(0, 2**63 - 1),
        TICKET,
        "Of the init, the data order and the masks.",
        default=0,
        decides=QUESTION,
        always_named=True,
    )
    dataset: str = option(
        text(),
        DATA,
        f"{', '.join(SOURCES)}.",
        default="digits",
        decides=SETTING,
        always_named=True,
        named=named_dataset,
    )
    data_fingerprint: str = option(text(), decides=SETTING, always_named=True)
    validation_fraction: float = option(
        number("[0, 0.5]"),
        DATA,
        "Part of the training set to hold out, stratified by class. The test set never selects anything.",
        default=0.0,
        decides=SETTING,
        always_named=True,
    )
    split_seed: int | None = option(
        whole(0, 2**63 - 1),
        DATA,
        "Split training and test examples anew by this seed, as many of each. Default: the authors' split.",
        default=None,
        decides=SETTING,
    )
    train_examples: int | None = option(
        whole(1),
        DATA,
        "Train on the first so many of a fixed stratified order; the test set stays whole. Default: all.",
        default=None,
        decides=SETTING,
    )
    image_size: int | None = option(
        whole(1), DATA, "Resize images to this many pixels.", default=None, decides=SETTING, always_named=True
    )
    standardize: str = option(
        choice(STANDARDIZE),
        DATA,
        "Bring examples of your own files to mean 0, deviation 1, images by channel, tables by column. auto: "
        "all but images of floats in [0, 1], or with negative values and none beyond 32. never: the model "
        "gets the values of the file.",
        default=AUTO,
        decides=SETTING,
    )
    target: str | None = option(
        text(),
        DATA,
        "Column of csv:FILE or parquet:FILE that is to be predicted. Default: the last.",
        default=None,
        decides=SETTING,
    )
    recipe: Recipe = option(mapping(), decides=SETTING, always_named=True)
    model_code: str | None = option(text(), default=None, decides=SETTING, code_of="model")
    loss_code: str | None = option(text(), default=None, decides=SETTING, code_of="loss")
    metric_code: str | None = option(text(), default=None, decides=SETTING, code_of="metric")
    optimizer_code: str | None = option(text(), default=None, decides=SETTING, code_of="optimizer")
    schedule_code: str | None = option(text(), default=None, decides=SETTING, code_of="schedule")
    callbacks: tuple[str, ...] = option(
        own_names(),
        TRAINING,
        "Keras callbacks of your own for every training of a run: classes or functions without arguments, as "
        "module:name or file.py:name. params['training'] tells a callback which training it is.",
        flag="callback",
        default=(),
        decides=SETTING,
        named=lambda names: tuple(map(short_name, names)),
    )
    callbacks_code: str | None = option(text(), default=None, decides=SETTING, code_of="callback")
    replicas: int = option(whole(1), decides=SETTING, always_named=True)
    threads: int = option(
        whole(1),
        MACHINE,
        "Intra-op threads; they change the last bits on CPUs. Default: all cores.",
        decides=SETTING,
        always_named=True,
    )
    data_dir: str | None = option(
        PLACE, DATA, "Where TFDS keeps its datasets.", default=None, decides=NOTHING
    )
    run_dir: str = option(
        PLACE,
        PLACES,
        "Where the run goes, a path or a URL (s3://...). Default: runs/NAME-HASH, named after the config.",
        default="",
        decides=NOTHING,
        repeated=False,
    )
    dense_dir: str = option(
        PLACE,
        PLACES,
        "The dense training that runs share. Default: RUN_DIR/../dense/HASH.",
        default="",
        decides=NOTHING,
        repeated=False,
    )
    score: str | None = option(
        text(),
        TICKET,
        "Score instead of the method's own: a name, or module:function for a function of your own, "
        "(model, batches, rng, **options) -> arrays.",
        default=None,
        needs=needs.DRAWS,
        named=short_name,
    )
    score_code: str | None = option(text(), default=None, code_of="score")
    ratios_code: str | None = option(text(), default=None, code_of="ratios")
    source_code: str | None = option(text(), default=None, decides=SOURCE, code_of="source_ratios")
    method_code: str | None = option(text(), default=None, code_of="method")
    method_row: Mapping[str, Any] | None = option(METHOD_FACTS, default=None)
    check_code: str | None = option(text(), default=None, decides=QUESTION, code_of="sanity_check")
    score_options: Mapping[str, Any] = option(
        pairs(),
        TICKET,
        "Options of the score, such as temperature=1,halves=false (GraSP) or probes=64 (OBD).",
        default={},
        needs=needs.DRAWS,
    )
    rounds: int | None = option(
        whole(1, MOST_ROUNDS),
        TICKET,
        "Prune in so many rounds, each to the same fraction of the one before, rewinding and training "
        "between them where the method trains first. Default: the score's own (SynFlow 100, others 1).",
        default=None,
        needs=needs.GAINS_BY_ROUNDS,
    )
    redistribute: bool = option(
        switch(),
        TICKET,
        "Share what full layers cannot hold. Default: true.",
        default=True,
        needs=needs.FILLS_LAYERS,
    )
    sampling: str = option(
        choice(SAMPLINGS),
        TICKET,
        "Random masks of exact counts (default), or of independent weights.",
        default="exact",
        needs=needs.DRAWS_RANDOMLY,
    )
    min_keep: int = option(
        whole(0), TICKET, "Weights that each layer keeps at least. Default: 0.", default=0, needs=needs.DRAWS
    )
    preserve_flow: bool = option(
        switch(),
        TICKET,
        "Leave no input or output channel of a layer without a weight. Default: false.",
        default=False,
        needs=needs.DRAWS,
    )
    pattern: str | None = option(
        PATTERN,
        TICKET,
        f"Which weights are kept together, or how many of neighbours: {ACCEPTED}. Default: the method's own.",
        default=None,
        needs=needs.DRAWS_TO_STAY,
    )
    samples_per_class: int | None = option(
        whole(1),
        TICKET,
        "Examples of each class in a batch to score on. Default: 10, or 1 with more than 100 classes. Where "
        "there are no classes, a batch is one of training, drawn at random.",
        default=None,
        needs=needs.SEES_DATA,
    )
    scoring_batches: int | None = option(
        whole(1, MOST_BATCHES),
        TICKET,
        "Batches to score on, each picked anew. Default: 1, or 10 with more than 100 classes.",
        default=None,
        needs=needs.SEES_DATA,
    )
    augment_scoring: bool | None = option(
        switch(),
        TICKET,
        "Score on augmented examples. Default: as in training.",
        default=None,
        needs=needs.SEES_DATA,
    )
    ticket: str | None = option(
        FILE,
        TICKET,
        "Retrain this ticket (a ticket.npz) instead of drawing one. --method says where from; default: the "
        "method that found it.",
        default=None,
        needs=needs.KEEPS_ITS_MASKS,
        decides=NOTHING,
    )
    ticket_sha256: str | None = option(text(), default=None)
    sanity_check: str | None = option(
        text(),
        TICKET,
        f"Attack the ticket, or what it is drawn from, and retrain on clean data: {', '.join(CHECKS)}; or "
        "your own, file.py:name of a tf_tickets.sanity.Check.",
        default=None,
        decides=QUESTION,
        named=short_name,
    )
    mixed_precision: str | None = option(
        choice(PRECISIONS),
        MACHINE,
        "Compute in half precision, with weights in float32: for GPUs and TPUs made for it. Default: no.",
        default=None,
        decides=SETTING,
    )
    jit_compile: bool = option(
        switch(),
        MACHINE,
        "Compile training and evaluation with XLA: for GPUs; CPUs become slower.",
        default=False,
        decides=SETTING,
    )
    checkpoint_minutes: float = option(
        number("[0, inf)"),
        MACHINE,
        "Between checkpoints within an epoch; there is one after every epoch too.",
        default=10.0,
        decides=NOTHING,
        repeated=False,
    )
    source_density: float | None = option(
        number("(0, 1]"),
        TICKET,
        "Search inside a random mask, drawn once, that keeps this fraction of the weights, in (0, 1]: dense "
        "trainings, tickets and everything that grows stay inside it. Default: no mask.",
        default=None,
        needs=needs.PRUNES,
        decides=SOURCE,
    )
    source_ratios: str | tuple[float, ...] | None = option(
        RATIOS,
        TICKET,
        "Keep-ratios of the source mask: a name, a number for each layer, or ticket:FILE. Default: erk.",
        default=None,
        beside=BESIDE_SOURCE,
        decides=SOURCE,
        named=short_name,
    )
    source_sampling: str = option(
        choice(SAMPLINGS),
        TICKET,
        "Source masks of exact counts (default), or of independent weights.",
        default="exact",
        beside=BESIDE_SOURCE,
        decides=SOURCE,
    )
    source_preserve_flow: bool = option(
        switch(),
        TICKET,
        "Leave no input or output channel of the source without a weight. Default: false.",
        default=False,
        beside=BESIDE_SOURCE,
        decides=SOURCE,
    )
    free_growth: bool = option(
        switch(),
        TICKET,
        "Let rigl, set and granet start inside the source mask and grow anywhere. Default: false.",
        default=False,
        needs=needs.GROWS,
        beside=BESIDE_SOURCE,
    )
    search_options: Mapping[str, Any] = option(
        pairs(),
        TICKET,
        "Options of a search while training, such as frequency=50,drop_fraction=0.5 (rigl, set, granet), "
        "initial_value=-5,decay=0.0005 (str) or weights=kaiming_normal,start=0.6 (edge_popup).",
        default={},
        needs=needs.SEARCHES,
    )
