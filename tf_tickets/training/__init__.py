"""The trainer, its optimizers and its strategies. Nothing here knows of pruning."""

from typing import TYPE_CHECKING

from tf_tickets.support.late import late_names

if TYPE_CHECKING:  # `X as X`: type checkers take it as public
    from tf_tickets.training.checkpoints import Checkpoints as Checkpoints
    from tf_tickets.training.divergence import TrainingDiverged as TrainingDiverged
    from tf_tickets.training.interruption import Interrupted as Interrupted
    from tf_tickets.training.learning_tasks import TASKS as TASKS
    from tf_tickets.training.losses import LOSSES as LOSSES
    from tf_tickets.training.losses import Loss as Loss
    from tf_tickets.training.metrics import METRICS as METRICS
    from tf_tickets.training.metrics import Metric as Metric
    from tf_tickets.training.optimizers import OPTIMIZERS as OPTIMIZERS
    from tf_tickets.training.optimizers import make_optimizer as make_optimizer
    from tf_tickets.training.optimizers import optimizer_row as optimizer_row
    from tf_tickets.training.sgd import SGD as SGD
    from tf_tickets.training.strategies import STRATEGIES as STRATEGIES
    from tf_tickets.training.strategies import count_replicas as count_replicas
    from tf_tickets.training.strategies import make_strategy as make_strategy
    from tf_tickets.training.team import Disagreement as Disagreement
    from tf_tickets.training.team import Team as Team
    from tf_tickets.training.trainer import Trainer as Trainer

# Public name -> where it is: tables are read without TensorFlow.
_PUBLIC = {
    "LOSSES": "tf_tickets.training.losses:LOSSES",
    "METRICS": "tf_tickets.training.metrics:METRICS",
    "OPTIMIZERS": "tf_tickets.training.optimizers:OPTIMIZERS",
    "SGD": "tf_tickets.training.sgd:SGD",
    "STRATEGIES": "tf_tickets.training.strategies:STRATEGIES",
    "TASKS": "tf_tickets.training.learning_tasks:TASKS",
    "Checkpoints": "tf_tickets.training.checkpoints:Checkpoints",
    "Disagreement": "tf_tickets.training.team:Disagreement",
    "Interrupted": "tf_tickets.training.interruption:Interrupted",
    "Loss": "tf_tickets.training.losses:Loss",
    "Metric": "tf_tickets.training.metrics:Metric",
    "Team": "tf_tickets.training.team:Team",
    "Trainer": "tf_tickets.training.trainer:Trainer",
    "TrainingDiverged": "tf_tickets.training.divergence:TrainingDiverged",
    "count_replicas": "tf_tickets.training.strategies:count_replicas",
    "make_optimizer": "tf_tickets.training.optimizers:make_optimizer",
    "make_strategy": "tf_tickets.training.strategies:make_strategy",
    "optimizer_row": "tf_tickets.training.optimizers:optimizer_row",
}

__all__ = list(_PUBLIC)

__getattr__, __dir__ = late_names(__name__, _PUBLIC)
