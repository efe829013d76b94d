"""The data of a sweep's runs, read once for all runs that follow each other and share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from absl.flags import FlagValues

from tf_tickets import config as configuration

if TYPE_CHECKING:
    from tf_tickets.data import Dataset

_LOADED: dict[tuple, Dataset] = {}


def load_data(values: FlagValues) -> Dataset:
    """The dataset that flags ask for; the last one is kept."""
    key = (
        values.dataset,
        values.data_dir,
        values.validation_fraction,
        values.image_size,
        values.standardize,
        values.task,
        values.target,
        values.split_seed,
        values.train_examples,
        values.seed if values.validation_fraction else None,
    )
    if key not in _LOADED:
        dataset = configuration.load_data(values)
        _LOADED.clear()
        _LOADED[key] = dataset
    return _LOADED[key]
