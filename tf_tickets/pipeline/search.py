"""The search of a run whose masks move while it trains: what it is told, what it adds, what it refuses."""

import contextlib
from collections.abc import Iterator

import keras

from tf_tickets import pruning, training
from tf_tickets.config import Config
from tf_tickets.data import Dataset
from tf_tickets.methods.searches import SearchPlan
from tf_tickets.pruning.sparsity import total_to_keep
from tf_tickets.support.random_streams import stream_seed


def make_plan(config: Config, dataset: Dataset, source: pruning.Ticket | None) -> SearchPlan:
    """What the search is told of the run."""
    recipe = config.recipe
    return SearchPlan(
        sparsity=config.sparsity,
        ratios=config.ratios,
        source=None if config.free_growth else source,
        steps=len(config.retraining_epochs) * dataset.steps_per_epoch("train", recipe.batch_size),
        decays="weight_decay" in training.optimizer_row(recipe.optimizer).uses and recipe.weight_decay > 0,
        seed=stream_seed(config.seed, "mask"),
    )


def convert(model: keras.Model, config: Config, plan: SearchPlan) -> None:
    """Changes the model, in place, where the search is one that layers do themselves."""
    search = config.row.search
    if search is not None and search.convert is not None:
        with _explain_options():
            search.convert(model, plan, **config.all_search_options)


def make_callbacks(config: Config, plan: SearchPlan) -> list[keras.callbacks.Callback]:
    """New callbacks for a training whose masks move; none for any other."""
    search = config.row.search
    if search is None:
        return []
    with _explain_options():
        return search.callbacks(plan, **config.all_search_options)


def check_room(config: Config, plan: SearchPlan, total: int) -> None:
    """Raises ValueError if weights can grow nowhere in a network of so many."""
    search, source = config.row.search, plan.source
    if search is None or not (search.drawn and search.grows) or source is None:
        return
    if total_to_keep(total, config.sparsity) >= source.kept:
        raise ValueError(
            f"--method={config.method} has nowhere to grow: --sparsity={config.sparsity} keeps all of the "
            f"source of --source_density={config.source_density}. Raise one of them, or pass --free_growth."
        )


@contextlib.contextmanager
def _explain_options() -> Iterator[None]:
    """For the duration, errors name the flag of the search's options."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise ValueError(f"--search_options: {error}") from error
