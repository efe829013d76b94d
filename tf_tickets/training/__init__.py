"""The trainer, its optimizer and its strategies. Nothing here knows of pruning."""

from tf_tickets.training.checkpoints import Checkpoints
from tf_tickets.training.interruption import Interrupted
from tf_tickets.training.optimizer import SGD
from tf_tickets.training.strategies import STRATEGIES, count_replicas, make_strategy
from tf_tickets.training.team import Disagreement, Team
from tf_tickets.training.trainer import Trainer, TrainingDiverged

__all__ = [
    "SGD",
    "STRATEGIES",
    "Checkpoints",
    "Disagreement",
    "Interrupted",
    "Team",
    "Trainer",
    "TrainingDiverged",
    "count_replicas",
    "make_strategy",
]
