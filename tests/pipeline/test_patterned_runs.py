"""Patterns through the pipeline: groups stay whole from the source mask to the last weight."""

import dataclasses
import io

import numpy as np
import pytest
import rich.console

import tf_tickets as tt
from tests.replicas import two_replicas
from tests.reporting import synthetic
from tests.runs import SHORT, TINY, configure, eagerly
from tests.runs import short as run
from tf_tickets import Ticket, pipeline, training
from tf_tickets.results import experiments, load
from tf_tickets.support.console import Console

# Inputs by outputs of mlp_22_14 on digits; of blocks of four inputs by one output the last are smaller.
GROUPS = {"dense1/kernel": 16 * 22, "dense2/kernel": 6 * 14, "classifier/kernel": 4 * 10}
NET = "--model=mlp_22_14"


def groups_of(ticket):
    """Name of a weight -> how many blocks of four inputs are kept; each is kept whole or not at all."""
    found = {}
    for name, mask in zip(ticket.names, ticket.masks, strict=True):
        parts = [mask[start : start + 4] for start in range(0, len(mask), 4)]
        assert all((part.all(0) == part.any(0)).all() for part in parts), name
        found[name] = sum(int(part.all(0).sum()) for part in parts)
    return found


@pytest.mark.slow
def test_a_run_keeps_groups_to_the_last_weight(tmp_path):
    flags = ("--method=hybrid", "--sparsity=0.8", "--pattern=block(4,1)", NET)
    result, screen = run(tmp_path / "run", *flags)
    ticket = Ticket.load(tmp_path / "run" / "ticket.npz")
    assert sum(groups_of(ticket).values()) == round(0.2 * sum(GROUPS.values()))
    assert result["nonzero"] == result["kept"] == ticket.kept
    assert result["config"]["pattern"] == "4x1"
    assert "80.0000% of 4x1 groups asked" in screen


def enough(*_):
    raise KeyboardInterrupt


def ticket_of(directory, *arguments, replicas=1):
    """The ticket of a run that ends where it has found it."""
    settings, dataset = configure(f"--run_dir={directory}", *TINY, *SHORT, *arguments, NET)
    strategy = training.make_strategy("none") if replicas == 1 else two_replicas()
    show = Console(rich.console.Console(file=io.StringIO()))
    with pytest.MonkeyPatch.context() as patch, eagerly(), pytest.raises(KeyboardInterrupt):
        patch.setattr(pipeline, "retrain", enough)
        pipeline.run(dataclasses.replace(settings, replicas=replicas), dataset, strategy, show)
    return Ticket.load(directory / "ticket.npz")


@pytest.mark.slow
def test_a_run_on_two_replicas_keeps_the_same(tmp_path):
    given = ("--method=snip", "--sparsity=0.8", "--pattern=4x1")
    alone, both = (ticket_of(tmp_path / str(n), *given, replicas=n) for n in (1, 2))
    assert sum(groups_of(both).values()) == round(0.2 * sum(GROUPS.values()))
    assert both.sha256 == alone.sha256


@pytest.mark.slow
def test_a_source_has_the_same_groups_and_checks_move_them_as_a_whole(tmp_path):
    given = ("--method=snip", "--sparsity=0.9", "--pattern=4x1", "--source_density=0.5")
    plain = ticket_of(tmp_path / "plain", *given)
    moved = ticket_of(tmp_path / "moved", *given, "--sanity_check=rearrange")
    settings, _ = configure(f"--run_dir={tmp_path / 'plain'}", *TINY, *given, NET)
    source = pipeline.tickets.draw_source(settings, tt.models.build("mlp_22_14", (8, 8, 1), 10, seed=0))
    assert sum(groups_of(source).values()) == round(0.5 * sum(GROUPS.values()))
    assert groups_of(plain) == groups_of(moved)
    assert [int(x.sum()) for x in plain.masks] == [int(x.sum()) for x in moved.masks]
    assert any((a != b).any() for a, b in zip(plain.masks, moved.masks, strict=True))
    assert not any((a & ~b).any() for a, b in zip(moved.masks, source.masks, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("pattern", "method"), [("2:4", "snip"), ("constant_fan_in", "erk")])
def test_rearranged_masks_keep_patterns_of_single_weights(pattern, method, tmp_path):
    given = (f"--method={method}", "--sparsity=0.8", f"--pattern={pattern}")
    plain = ticket_of(tmp_path / "plain", *given)
    model = tt.models.build("mlp_22_14", (8, 8, 1), 10, seed=0)
    plain.apply(model)
    moved = tt.sanity.rearrange(model, seed=0, pattern=pattern)
    if method == "snip":  # of random masks the check says nothing
        assert ticket_of(tmp_path / "moved", *given, "--sanity_check=rearrange").sha256 == moved.sha256
    assert [int(x.sum()) for x in moved.masks] == [int(x.sum()) for x in plain.masks]
    assert any((a != b).any() for a, b in zip(plain.masks, moved.masks, strict=True))
    for mask in moved.masks:
        counts = mask.sum(0)
        windows = [mask[i : i + 4].sum(0).max() for i in range(0, len(mask), 4)]
        assert max(windows) <= 2 if pattern == "2:4" else counts.max() - counts.min() <= 1


@pytest.mark.slow
def test_rounds_with_training_between_them_end_at_the_count(tmp_path):
    ticket = ticket_of(tmp_path / "run", "--method=lt", "--sparsity=0.9", "--pattern=4x1", "--rounds=2")
    assert sum(groups_of(ticket).values()) == round(0.1 * sum(GROUPS.values()))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--method=rigl", "--pattern=4x1"), "--pattern=4x1 is only for a method that prunes by drawing"),
        (
            ("--method=snip", "--pattern=channel", "--sanity_check=rearrange_per_output"),
            "keeps an output whole or not at all",
        ),
        (("--method=snip", "--pattern=4by1"), "pattern='4by1' is unknown. Choose 4x1 or"),
        (
            ("--method=snip", "--pattern=2:4", "--sparsity=0.9", "--sanity_check=rearrange_per_input"),
            "would leave",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_work(given, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        configure(f"--run_dir={tmp_path}", *TINY, *given)


@pytest.mark.slow
def test_counts_of_another_ticket_are_counts_of_groups(tmp_path):
    given = ("--method=snip", "--sparsity=0.5", "--pattern=channel")
    plain = ticket_of(tmp_path / "plain", *given)
    other = ticket_of(tmp_path / "other", *given, "--sanity_check=corrupted_positions")
    kept = [[int(mask.any(0).sum()) for mask in ticket.masks] for ticket in (plain, other)]
    assert kept[0] == kept[1]
    assert sum(kept[0][:2]) == 18


def test_a_report_tells_patterns_apart(tmp_path):
    for name, flags in (("groups", ["--pattern=4x1"]), ("said", ["--pattern=unstructured"]), ("plain", [])):
        settings, _ = configure(*TINY, "--method=random", "--sparsity=0.8", *flags)
        synthetic.write(tmp_path / name, settings=settings)
    (experiment,) = experiments(load(tmp_path))
    labels = set(experiment.names.values())
    assert "random, pattern=4x1" in labels


@pytest.mark.slow
def test_networks_shrink_by_channels():
    model = tt.models.build("mlp_22_14", (8, 8, 1), 10, seed=0)
    tt.prune(model, "magnitude", 0.5, pattern="channel", ratios="uniform")
    small = tt.compact(model)
    assert [x.stay for x in small.compaction.layers] == [11, 7, 10]
    assert np.isfinite(small(np.zeros((1, 8, 8, 1), "float32"))).all()
