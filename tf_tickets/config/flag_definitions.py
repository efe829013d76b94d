"""The flags of a run: names, groups, what they take and what --help says of them."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

from absl import flags

from tf_tickets.data.recipe import SCHEDULES
from tf_tickets.exporting.formats import FORMATS
from tf_tickets.methods.table import METHODS
from tf_tickets.pruning.choices import FAMILIES, ROUNDINGS, SAMPLINGS
from tf_tickets.sanity.checks import CHECKS
from tf_tickets.training.optimizers import OPTIMIZERS
from tf_tickets.training.strategies import STRATEGIES

DEFAULT_SPARSITY = 0.98
PRECISIONS = ("float16", "bfloat16")
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


def define_flags(values: flags.FlagValues = flags.FLAGS, lists: Collection[str] = ()) -> None:
    """Defines the flags of a run (once), each in one of `GROUPS`.

    Args:
        values: where to.
        lists: names of flags that take a list instead, and have no default: what a sweep varies.
    """
    if "method" in values:
        return
    define = functools.partial(_define, values, lists)
    methods = "; ".join(f"{name}: {row.about}" for name, row in METHODS.items())
    define(flags.DEFINE_string, TICKET, "method", "hybrid", f"What to do. {methods}.")
    define(
        flags.DEFINE_float,
        TICKET,
        "sparsity",
        None,
        f"Fraction of the prunable weights to remove, in [0, 1). Default {DEFAULT_SPARSITY} (0 for dense).",
    )
    define(flags.DEFINE_integer, TICKET, "seed", 0, "Of the init, the data order and the masks.")
    define(
        flags.DEFINE_string,
        TICKET,
        "score",
        None,
        "Score instead of the method's own: a name, or module:function for a function of your own, "
        "(model, batches, rng, **options) -> arrays.",
    )
    define(
        flags.DEFINE_list,
        TICKET,
        "score_options",
        None,
        "Options of the score, such as temperature=1,halves=false (GraSP) or probes=64 (OBD).",
    )
    define(
        flags.DEFINE_string,
        TICKET,
        "ratios",
        None,
        "Keep-ratios instead of the method's own: a name, a number for each layer (1,0.5,0.1), or "
        "ticket:FILE for those of a ticket.",
    )
    define(
        flags.DEFINE_enum,
        TICKET,
        "ratio_family",
        None,
        "Form of the smart ratios. Default: vgg for our VGGs, resnet for everything else.",
        choices=FAMILIES,
    )
    define(
        flags.DEFINE_string,
        TICKET,
        "classifier_keep",
        None,
        f"Fraction of the classifier kept apart from the rest, or '{RANKED}' to rank it with the rest "
        "(global ratios). Default: the method's.",
    )
    define(
        flags.DEFINE_integer,
        TICKET,
        "rewind_epoch",
        None,
        "Epoch that weight rewinding goes back to. Default: a tenth of the epochs.",
    )
    define(
        flags.DEFINE_enum,
        TICKET,
        "rounding",
        None,
        "How ratios become counts: exact totals (default), or the authors' arithmetic.",
        choices=ROUNDINGS,
    )
    define(
        flags.DEFINE_integer,
        TICKET,
        "rounds",
        None,
        "Prune in so many rounds, each to the same fraction of the one before, rewinding and training "
        "between them where the method trains first. Default: the score's own (SynFlow 100, others 1).",
    )
    define(
        flags.DEFINE_bool, TICKET, "redistribute", None, "Share what full layers cannot hold. Default: true."
    )
    define(
        flags.DEFINE_enum,
        TICKET,
        "sampling",
        None,
        "Random masks of exact counts (default), or of independent weights.",
        choices=SAMPLINGS,
    )
    define(
        flags.DEFINE_integer, TICKET, "min_keep", None, "Weights that each layer keeps at least. Default: 0."
    )
    define(
        flags.DEFINE_bool,
        TICKET,
        "preserve_flow",
        None,
        "Leave no input or output channel of a layer without a weight. Default: false.",
    )
    define(
        flags.DEFINE_integer,
        TICKET,
        "samples_per_class",
        None,
        "Examples of each class in a batch to score on. Default: 10, or 1 with more than 100 classes.",
    )
    define(
        flags.DEFINE_integer,
        TICKET,
        "scoring_batches",
        None,
        "Batches to score on, each picked anew. Default: 1, or 10 with more than 100 classes.",
    )
    define(
        flags.DEFINE_bool,
        TICKET,
        "augment_scoring",
        None,
        "Score on augmented examples. Default: as in training.",
    )
    define(
        flags.DEFINE_float,
        TICKET,
        "source_density",
        None,
        "Search inside a random mask, drawn once, that keeps this fraction of the weights, in (0, 1]: dense "
        "trainings, tickets and everything that grows stay inside it. Default: no mask.",
    )
    define(
        flags.DEFINE_string,
        TICKET,
        "source_ratios",
        None,
        "Keep-ratios of the source mask: a name, a number for each layer, or ticket:FILE. Default: erk.",
    )
    define(
        flags.DEFINE_enum,
        TICKET,
        "source_sampling",
        None,
        "Source masks of exact counts (default), or of independent weights.",
        choices=SAMPLINGS,
    )
    define(
        flags.DEFINE_bool,
        TICKET,
        "source_preserve_flow",
        None,
        "Leave no input or output channel of the source without a weight. Default: false.",
    )
    define(
        flags.DEFINE_bool,
        TICKET,
        "free_growth",
        None,
        "Let rigl, set and granet start inside the source mask and grow anywhere. Default: false.",
    )
    define(
        flags.DEFINE_list,
        TICKET,
        "search_options",
        None,
        "Options of a search while training, such as frequency=50,drop_fraction=0.5 (rigl, set, granet), "
        "initial_value=-5,decay=0.0005 (str) or weights=kaiming_normal,start=0.6 (edge_popup).",
    )
    define(
        flags.DEFINE_string,
        TICKET,
        "ticket",
        None,
        "Retrain this ticket (a ticket.npz) instead of drawing one. --method says where from; default: the "
        "method that found it.",
    )
    define(
        flags.DEFINE_string,
        TICKET,
        "sanity_check",
        None,
        f"Attack the ticket, or what it is drawn from, and retrain on clean data: {', '.join(CHECKS)}.",
    )
    define(
        flags.DEFINE_string,
        DATA,
        "dataset",
        "digits",
        "digits, cifar10, cifar100, fashion_mnist, tiny_imagenet, tfds:NAME, idx:DIR or npz:FILE.",
    )
    define(flags.DEFINE_string, DATA, "data_dir", None, "Where TFDS keeps its datasets.")
    define(
        flags.DEFINE_float,
        DATA,
        "validation_fraction",
        0.0,
        "Part of the training set to hold out, stratified. The test set never selects anything.",
    )
    define(flags.DEFINE_integer, DATA, "image_size", None, "Resize images to this many pixels.")
    define(
        flags.DEFINE_string,
        MODEL,
        "model",
        None,
        "vgg11, vgg13, vgg16, vgg19, resnet{6n+2}, resnet18_cifar, resnet34_cifar, resnet50_cifar, "
        "lenet_300_100, mlp_A_B_..., mlp_bn_A_B_..., or keras:NAME.",
    )
    define(
        flags.DEFINE_float,
        MODEL,
        "width",
        None,
        "Scales the widths; 1.0 is the paper's. Default: the recipe's, or 1.0 with --model.",
    )
    define(flags.DEFINE_integer, TRAINING, "epochs", None, "Of dense training, and of retraining.")
    define(flags.DEFINE_integer, TRAINING, "batch_size", None, "Global batch size.")
    define(flags.DEFINE_enum, TRAINING, "optimizer", None, "Optimizer.", choices=tuple(OPTIMIZERS))
    define(flags.DEFINE_float, TRAINING, "learning_rate", None, "At the top of the schedule.")
    define(flags.DEFINE_float, TRAINING, "momentum", None, "Of SGD.")
    define(flags.DEFINE_bool, TRAINING, "nesterov", None, "Nesterov's momentum.")
    define(
        flags.DEFINE_float,
        TRAINING,
        "weight_decay",
        None,
        "Of SGD: L2, added to every gradient. Of AdamW: decoupled.",
    )
    define(flags.DEFINE_enum, TRAINING, "schedule", None, "Schedule.", choices=tuple(SCHEDULES))
    define(
        flags.DEFINE_list,
        TRAINING,
        "milestones",
        None,
        "Where the rate drops: fractions of the epochs, or 0-based epochs.",
    )
    define(flags.DEFINE_float, TRAINING, "lr_decay", None, "Factor at each milestone.")
    define(flags.DEFINE_float, TRAINING, "min_learning_rate", None, "Floor of the cosine.")
    define(flags.DEFINE_integer, TRAINING, "warmup_epochs", None, "Epochs of linear warm-up.")
    define(
        flags.DEFINE_float,
        TRAINING,
        "label_smoothing",
        None,
        "Part of every training label that is spread over all classes, in [0, 1).",
    )
    define(flags.DEFINE_bool, TRAINING, "augment", None, "Random crops and flips.")
    define(
        flags.DEFINE_string,
        PLACES,
        "run_dir",
        None,
        "Where the run goes, a path or a URL (s3://...). Default: runs/NAME-HASH, named after the config.",
    )
    define(
        flags.DEFINE_string,
        PLACES,
        "dense_dir",
        None,
        "The dense training that runs share. Default: RUN_DIR/../dense/HASH.",
    )
    define(
        flags.DEFINE_bool,
        PLACES,
        "take_over",
        False,
        "Work in directories at URLs although another process has marked them as its own: it is dead.",
    )
    define(
        flags.DEFINE_list,
        PLACES,
        "export",
        ["saved_model"],
        f"Formats to export, any of {', '.join(FORMATS)}; empty for none.",
    )
    define(
        flags.DEFINE_enum,
        MACHINE,
        "strategy",
        "auto",
        "tf.distribute strategy; auto is mirrored where there are several GPUs; multi_worker joins the "
        "machines of TF_CONFIG or of a Slurm step.",
        choices=tuple(STRATEGIES),
    )
    define(
        flags.DEFINE_integer,
        MACHINE,
        "threads",
        None,
        "Intra-op threads; they change the last bits on CPUs. Default: all cores.",
    )
    define(
        flags.DEFINE_enum,
        MACHINE,
        "mixed_precision",
        None,
        "Compute in half precision, with weights in float32: for GPUs and TPUs made for it. Default: no.",
        choices=PRECISIONS,
    )
    define(
        flags.DEFINE_bool,
        MACHINE,
        "jit_compile",
        False,
        "Compile training and evaluation with XLA: for GPUs; CPUs become slower.",
    )
    define(
        flags.DEFINE_float,
        MACHINE,
        "checkpoint_minutes",
        10.0,
        "Between checkpoints within an epoch; there is one after every epoch too.",
    )


def _define(
    values: flags.FlagValues,
    lists: Collection[str],
    kind: Callable,
    group: str,
    name: str,
    default: Any,
    help: str,
    choices: Sequence[str] | None = None,
) -> None:
    if name in lists:
        flags.DEFINE_list(name, None, f"One or more. {help}", flag_values=values, module_name=group)
    elif choices is None:
        kind(name, default, help, flag_values=values, module_name=group)
    else:
        kind(name, default, list(choices), help, flag_values=values, module_name=group)
