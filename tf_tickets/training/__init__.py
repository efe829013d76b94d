"""The trainer, its optimizers and its strategies. Nothing here knows of pruning."""

from typing import TYPE_CHECKING

from tf_tickets.support.late import late_names

if TYPE_CHECKING:
    from tf_tickets.training.checkpoints import Checkpoints
    from tf_tickets.training.divergence import TrainingDiverged
    from tf_tickets.training.interruption import Interrupted
    from tf_tickets.training.optimizers import OPTIMIZERS, make_optimizer
    from tf_tickets.training.sgd import SGD
    from tf_tickets.training.strategies import STRATEGIES, count_replicas, make_strategy
    from tf_tickets.training.team import Disagreement, Team
    from tf_tickets.training.trainer import Trainer

# Public name -> where it is: tables are read without TensorFlow.
_PUBLIC = {
    "OPTIMIZERS": "tf_tickets.training.optimizers:OPTIMIZERS",
    "SGD": "tf_tickets.training.sgd:SGD",
    "STRATEGIES": "tf_tickets.training.strategies:STRATEGIES",
    "Checkpoints": "tf_tickets.training.checkpoints:Checkpoints",
    "Disagreement": "tf_tickets.training.team:Disagreement",
    "Interrupted": "tf_tickets.training.interruption:Interrupted",
    "Team": "tf_tickets.training.team:Team",
    "Trainer": "tf_tickets.training.trainer:Trainer",
    "TrainingDiverged": "tf_tickets.training.divergence:TrainingDiverged",
    "count_replicas": "tf_tickets.training.strategies:count_replicas",
    "make_optimizer": "tf_tickets.training.optimizers:make_optimizer",
    "make_strategy": "tf_tickets.training.strategies:make_strategy",
}

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "STRATEGIES",
    "Checkpoints",
    "Disagreement",
    "Interrupted",
    "Team",
    "Trainer",
    "TrainingDiverged",
    "count_replicas",
    "make_optimizer",
    "make_strategy",
]

__getattr__, __dir__ = late_names(__name__, _PUBLIC)
