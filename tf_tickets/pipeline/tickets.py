"""The tickets of a run: drawn, given or all there is, in one round or several; and the source mask."""

import contextlib
import dataclasses
import functools
import pathlib
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets import layers, pruning
from tf_tickets.config import Config
from tf_tickets.pipeline import weights
from tf_tickets.pipeline.calibration import scoring_batches, solver_options
from tf_tickets.pipeline.guards import explain_lack_of_memory
from tf_tickets.pipeline.job import Job
from tf_tickets.pipeline.showing import show_ticket
from tf_tickets.pipeline.trainings import pretrain, train_ticket
from tf_tickets.pruning.paths import affordable_path_counts
from tf_tickets.pruning.pattern_names import chosen_pattern, in_groups
from tf_tickets.pruning.patterns import (
    layouts_of,
    masks_of_units,
    moved_within_sizes,
    unit_ratios,
    units_inside,
)
from tf_tickets.pruning.scores import score_row
from tf_tickets.pruning.unit_layouts import Layout
from tf_tickets.sanity.checks import Check
from tf_tickets.storage.directories import TicketDirectory
from tf_tickets.support.own_code import is_own
from tf_tickets.support.random_streams import stream_seed
from tf_tickets.training.losses import loss_row


def find_ticket(job: Job) -> pruning.Ticket:
    """Scores the weights, decides how many to keep where, keeps the best; in rounds, trains between them."""
    config, directory = job.config, job.directory
    if config.ticket is not None:
        given = functools.partial(_given, job, config.ticket)
        return _load_or_make(job, directory, directory.ticket, lambda: _checked(job, given()))
    before = job.source
    last = config.trained_rounds - 1
    facts: dict[str, Any] = {}
    counts = _donated(job) if directory.finished("ticket") is None else None
    for number in range(last if directory.finished("ticket") is None else 0):
        earlier = directory.round(number).claim()
        make = functools.partial(_draw, job, number, before, counts)
        before = _load_or_make(job, earlier, earlier.ticket, make)
        train_ticket(job, before, earlier, number)
        facts["rounds_seconds"] = facts.get("rounds_seconds", 0.0) + sum(earlier.seconds.values())
    path = directory.ticket if config.row.search is None else directory.start_ticket
    return _load_or_make(job, directory, path, lambda: _checked(job, _draw(job, last, before, counts)), facts)


def _donated(job: Job) -> pruning.Ticket | None:
    """The ticket that says how many weights each layer keeps; None where this one's counts are its own."""
    donor = job.donor
    if donor is None:
        return None
    under = donor.config.sanity_check
    job.show.line(
        f"first the ticket that gives the counts of layers, {f'under {under}' if under else 'clean'}"
    )
    donor.directory.claim()
    pretrain(donor, stages=("ticket",))
    ticket = find_ticket(donor)
    if donor.config.trained_rounds > 1:  # the model carries masks of its rounds
        layers.fold(job.model)
        if job.source is not None:
            job.source.apply(job.model)
    return ticket


def draw_source(config: Config, model: keras.Model) -> pruning.Ticket | None:
    """Draws the source mask, which the model carries from now on; None where there is none.

    Raises:
        ValueError: it disconnects the network.
    """
    if config.source_density is None or config.source_ratios is None:
        return None
    quota = pruning.Quota(
        ratios=config.source_ratios,
        sparsity=1 - config.source_density,
        sampling=config.source_sampling,
        preserve_flow=config.source_preserve_flow,
        # So that the ticket's groups lie in it as a whole.
        pattern=_pattern(config) if in_groups(config.row.pattern) else None,
    )
    source = pruning.draw_ticket(model, "random", quota, seed=stream_seed(config.seed, "mask"))
    if source.collapsed:
        raise ValueError(
            f"--source_density={config.source_density} with --source_ratios={config.source_ratios} "
            f"disconnects the network: {source.collapsed}. Choose a larger density, other ratios, or "
            "--source_preserve_flow."
        )
    source.apply(model)
    return source


def _pattern(config: Config) -> str | None:
    return chosen_pattern(None, config.row.pattern)


def quota_of(config: Config, counts: pruning.Ticket | None = None) -> pruning.Quota:
    """What decides a ticket's counts: the plan checks the very quota that the ticket is drawn with.

    Args:
        config: of the run.
        counts: a ticket whose counts are taken as they are, whatever made them.
    """
    if counts is not None:
        return pruning.Quota(
            ratios=counts,
            sparsity=counts.sparsity,
            min_keep=config.min_keep,
            preserve_flow=config.preserve_flow,
            rounds=config.rounds,
            pattern=_pattern(config),
        )
    return pruning.Quota(
        ratios=config.ratios,
        sparsity=config.sparsity,
        # The authors' arithmetic is about pruned networks; of the dense one nothing is rounded.
        rounding=config.rounding if config.row.prunes else "exact",
        family=config.family,
        classifier_keep=config.classifier_keep,
        redistribute=config.redistribute,
        min_keep=config.min_keep,
        sampling=config.sampling,
        preserve_flow=config.preserve_flow,
        rounds=config.rounds,
        pattern=_pattern(config),
    )


def _load_or_make(
    job: Job,
    directory: TicketDirectory,
    path: pathlib.Path,
    make: Callable[[], pruning.Ticket],
    facts: Mapping[str, Any] | None = None,
) -> pruning.Ticket:
    """The ticket of a directory, made where it is not there yet.

    Args:
        job: whose ticket it is.
        directory: whose stage it is.
        path: of the ticket, in the directory.
        make: () -> the ticket.
        facts: noted with a ticket that is made.
    """
    if directory.finished("ticket") is None:
        began = time.perf_counter()
        directory.begin("ticket", [path])
        made = make()
        directory.check_in_place()
        made.save(path, overwrite=True)
        ticket = pruning.Ticket.load(path)
        directory.finish(
            "ticket",
            {"seconds": time.perf_counter() - began, "sha256": ticket.sha256, **(facts or {})},
            [path],
        )
    ticket = pruning.Ticket.load(path)
    if ticket.sha256 != (directory.finished("ticket") or {})["sha256"]:
        raise ValueError(f"{path} is not the ticket that this run found. {directory.remedy}")
    job.team.agree("the ticket", ticket.sha256)
    show_ticket(job.show, ticket)
    return ticket


def _given(job: Job, path: str) -> pruning.Ticket:
    """A ticket from a file; its paths are counted where it does not know them."""
    ticket = pruning.Ticket.load(path)
    if ticket.on_path is not None:
        return ticket
    return dataclasses.replace(ticket, on_path=affordable_path_counts(job.model, ticket.masks))


def _checked(job: Job, ticket: pruning.Ticket) -> pruning.Ticket:
    """The ticket, its masks attacked if that is the sanity check."""
    name, check = job.config.sanity_check, job.config.check
    origin = ticket.origin if name is None else {**ticket.origin, "sanity_check": name}
    within = None if job.source is None else job.source.masks
    if not check.moves_masks:
        return dataclasses.replace(ticket, origin=origin)
    pattern = ticket.origin.get("pattern")
    layouts, _ = layouts_of(job.model, layers.prunable_weights(job.model), pattern)
    if pattern is not None and not in_groups(pattern) and check.masks_in_pattern is not None:
        masks = tuple(check.masks_in_pattern(layouts, ticket.masks, job.config.seed, within))
    else:
        masks = _moved(check, layouts, ticket.masks, job.config.seed, within)
    return dataclasses.replace(
        ticket, masks=masks, origin=origin, on_path=affordable_path_counts(job.model, masks)
    )


def _in_units(quota: pruning.Quota, model: keras.Model, counts: pruning.Ticket | None) -> pruning.Quota:
    """The quota, with the groups of a ticket whose counts are taken, where groups are what is counted."""
    if counts is None or not in_groups(quota.pattern):
        return quota
    layouts, _ = layouts_of(model, layers.prunable_weights(model), quota.pattern)
    ratios, sparsity = unit_ratios(layouts, counts.masks)
    return dataclasses.replace(quota, ratios=ratios, sparsity=sparsity)


def _moved(
    check: Check,
    layouts: Sequence[Layout],
    masks: Sequence[np.ndarray],
    seed: int,
    within: Sequence[np.ndarray] | None,
) -> tuple[np.ndarray, ...]:
    """Other masks of the check's; groups of a pattern move as a whole."""
    if check.masks is not None:
        return tuple(moved_within_sizes(check.masks, layouts, masks, seed, within))
    assert check.channel_masks is not None
    inside = None if within is None else units_inside(layouts, within)
    channels = [layout.unit_channels for layout in layouts]
    moved = check.channel_masks(units_inside(layouts, masks), seed, inside, channels=channels)
    return tuple(masks_of_units(layouts, moved, within))


def _draw(
    job: Job, number: int, before: pruning.Ticket | None, counts: pruning.Ticket | None
) -> pruning.Ticket:
    """The ticket of one round, inside that of the round before, with the counts of a donor, if any."""
    config = job.config
    if config.row.prunes and not config.row.draws:
        return _undrawn(job)
    weights.restore_point(job, config.row.scored_at, number)
    if config.solves_masks:
        return _solved(job, before, counts)
    with (
        _explain_own_score(config),
        explain_lack_of_memory(f"--samples_per_class={config.samples_per_class}"),
    ):
        ticket = pruning.draw_ticket(
            job.model,
            config.row.score,
            _in_units(quota_of(config, counts), job.model, counts),
            data=scoring_batches(job),
            seed=config.seed,
            within=before,
            only_round=number if config.trained_rounds > 1 else None,
            source=job.source,
            inverted=config.check.inverts,
            **_score_options(config),
        )
    return dataclasses.replace(ticket, origin={**ticket.origin, **job.origin})


def _solved(job: Job, before: pruning.Ticket | None, counts: pruning.Ticket | None) -> pruning.Ticket:
    """The ticket whose masks the solver chooses; its weights are solved for when it is put in place."""
    config = job.config
    assert config.row.solver is not None
    with explain_lack_of_memory(f"--samples_per_class={config.samples_per_class}"):
        ticket, _ = pruning.solve_ticket(
            job.model,
            config.row.solver,
            config.row.score,
            quota_of(config, counts),
            scoring_batches(job),
            config.seed,
            before,
            config.check.inverts,
            **solver_options(job),
        )
    return dataclasses.replace(ticket, origin={**ticket.origin, **job.origin})


def _undrawn(job: Job) -> pruning.Ticket:
    """What a search starts from that prunes while it trains: the source, or all weights."""
    if job.source is not None:
        return dataclasses.replace(job.source, origin={**job.source.origin, **job.origin})
    entries = layers.prunable_weights(job.model)
    masks = tuple(np.ones(entry.shape, bool) for entry in entries)
    return pruning.Ticket(
        masks,
        tuple(entry.name for entry in entries),
        job.origin,
        on_path=tuple(mask.size for mask in masks),
    )


@contextlib.contextmanager
def _explain_own_score(config: Config) -> Iterator[None]:
    """For the duration, what a score of the user's own raises is told with its file and line."""
    try:
        yield
    except (Exception, SystemExit) as error:  # their code can raise anything, and end the program
        if not is_own(config.row.score) or isinstance(error, ValueError):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise RuntimeError(
            f"--score={config.row.score} failed: {type(error).__name__}: {error} "
            f"({where.filename}, line {where.lineno})"
        ) from error


def _score_options(config: Config) -> dict[str, Any]:
    """Options of the score: a temperature divides logits alone, so that of other outputs it is 1."""
    cools = "temperature" in score_row(config.row.score).options
    if not cools or loss_row(config.recipe.loss_name).of_logits:
        return dict(config.score_options)
    return {"temperature": 1.0, **config.score_options}
