"""The trainer, its optimizer and its strategies. Nothing here knows of pruning."""

from tf_tickets.training.optimizer import SGD
from tf_tickets.training.strategies import STRATEGIES, count_replicas, make_strategy
from tf_tickets.training.trainer import Trainer, TrainingDiverged

__all__ = ["SGD", "STRATEGIES", "Trainer", "TrainingDiverged", "count_replicas", "make_strategy"]
