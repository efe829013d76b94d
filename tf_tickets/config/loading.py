"""The dataset that flags ask for."""

from __future__ import annotations

from absl import flags

from tf_tickets import data
from tf_tickets.config.config import Config


def data_of(config: Config) -> data.Dataset:
    """The dataset of a config."""
    return data.load(
        config.dataset,
        data_dir=config.data_dir,
        seed=config.seed,
        validation_fraction=config.validation_fraction,
        image_size=config.image_size,
        standardize=config.standardize,
    )


def load_data(values: flags.FlagValues) -> data.Dataset:
    """The dataset that the flags ask for."""
    return data.load(
        values.dataset,
        data_dir=values.data_dir,
        seed=values.seed,
        validation_fraction=values.validation_fraction,
        image_size=values.image_size,
        standardize=values.standardize,
    )
