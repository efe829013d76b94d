"""The dataset that flags ask for."""

from __future__ import annotations

from absl import flags

from tf_tickets import data


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
