"""Pruning for Keras 3, and the checks that pruning research owes itself. Import as `tt`."""

import sys
from typing import TYPE_CHECKING

from tf_tickets.support.backend import check_environment
from tf_tickets.support.late import late_names
from tf_tickets.support.version import VERSION

if TYPE_CHECKING:  # `X as X`: type checkers take it as public
    from tf_tickets import callbacks as callbacks
    from tf_tickets import data as data
    from tf_tickets import interop as interop
    from tf_tickets import layers as layers
    from tf_tickets import models as models
    from tf_tickets import pruning as pruning
    from tf_tickets import sanity as sanity
    from tf_tickets import sparse_training as sparse_training
    from tf_tickets import theory as theory
    from tf_tickets import training as training
    from tf_tickets.compaction import compact as compact
    from tf_tickets.deployments import deployment as deployment
    from tf_tickets.exporting import export as export
    from tf_tickets.laboratory import sanity_check as sanity_check
    from tf_tickets.layers import fold as fold
    from tf_tickets.layers import mask_layers as mask_layers
    from tf_tickets.layers import masked_weights as masked_weights
    from tf_tickets.layers import register_maskable as register_maskable
    from tf_tickets.methods import METHODS as METHODS
    from tf_tickets.methods import Method as Method
    from tf_tickets.methods.prune import prune as prune
    from tf_tickets.programs.calls import report as report
    from tf_tickets.programs.calls import run as run
    from tf_tickets.programs.calls import sweep as sweep
    from tf_tickets.programs.run_result import RunResult as RunResult
    from tf_tickets.pruning import Ticket as Ticket
    from tf_tickets.pruning import keep_counts as keep_counts
    from tf_tickets.pruning import score as score
    from tf_tickets.pruning import summary as summary

__version__ = VERSION

check_environment()

# Public name -> where it is. TensorFlow is loaded at first use.
_PUBLIC = {
    "METHODS": "tf_tickets.methods:METHODS",
    "Method": "tf_tickets.methods:Method",
    "RunResult": "tf_tickets.programs.run_result:RunResult",
    "Ticket": "tf_tickets.pruning:Ticket",
    "callbacks": "tf_tickets.callbacks",
    "compact": "tf_tickets.compaction:compact",
    "data": "tf_tickets.data",
    "deployment": "tf_tickets.deployments:deployment",
    "export": "tf_tickets.exporting:export",
    "fold": "tf_tickets.layers:fold",
    "interop": "tf_tickets.interop",
    "keep_counts": "tf_tickets.pruning:keep_counts",
    "layers": "tf_tickets.layers",
    "mask_layers": "tf_tickets.layers:mask_layers",
    "masked_weights": "tf_tickets.layers:masked_weights",
    "models": "tf_tickets.models",
    "prune": "tf_tickets.methods.prune:prune",
    "pruning": "tf_tickets.pruning",
    "register_maskable": "tf_tickets.layers:register_maskable",
    "sanity": "tf_tickets.sanity",
    "sanity_check": "tf_tickets.laboratory:sanity_check",
    "report": "tf_tickets.programs.calls:report",
    "run": "tf_tickets.programs.calls:run",
    "score": "tf_tickets.pruning:score",
    "sparse_training": "tf_tickets.sparse_training",
    "summary": "tf_tickets.pruning:summary",
    "sweep": "tf_tickets.programs.calls:sweep",
    "theory": "tf_tickets.theory",
    "training": "tf_tickets.training",
}

__all__ = list(_PUBLIC)

__getattr__, __dir__ = late_names(__name__, _PUBLIC)

if "keras" in sys.modules:
    # TensorFlow is loaded then: keras.saving.load_model is to know the classes that files of ours name.
    __getattr__("layers")
