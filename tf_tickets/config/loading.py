"""The dataset that flags or a config ask for."""

from __future__ import annotations

from absl import flags

from tf_tickets import data
from tf_tickets.config.config import Config
from tf_tickets.training.learning_tasks import BY_TARGETS


def load_data(said: flags.FlagValues | Config) -> data.Dataset:
    """The dataset that the flags, or a config made of them, ask for."""
    task = said.recipe.task if isinstance(said, Config) else said.task
    return data.load(
        said.dataset,
        data_dir=said.data_dir,
        seed=said.seed,
        validation_fraction=said.validation_fraction,
        image_size=said.image_size,
        standardize=said.standardize,
        task=task or BY_TARGETS,
        target=said.target,
        split_seed=said.split_seed,
        train_examples=said.train_examples,
    )
