"""Counts of one ticket, positions of another: ratios and positions are told apart, in one run."""

import dataclasses
import functools
import io
import json
import shutil

import numpy as np
import pytest
import rich.console

from tests.runs import SHORT, TINY, configure, eagerly
from tf_tickets import Ticket, config, pipeline, training
from tf_tickets.pipeline import tickets
from tf_tickets.sanity import Check, checks
from tf_tickets.support.console import Console

FLAGS = ("--sparsity=0.8", "--ratios=global")
FACTORIAL = {  # check -> (the check whose counts it keeps, the check whose data choose the positions)
    "corrupted_positions": (None, "corrupted"),
    "corrupted_ratios": ("corrupted", None),
    "corrupted+rearrange": ("corrupted", None),
}
slow = pytest.mark.slow
methods = pytest.mark.parametrize("method", ["snip", "lt"])


def flags(method, check=None, rounds=1):
    check = [f"--sanity_check={check}"] if check else []
    return (f"--method={method}", *FLAGS, *check, *([f"--rounds={rounds}"] if rounds > 1 else []))


def ticket_of(directory):
    return Ticket.load(directory / "ticket.npz")


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.masks, other.masks, strict=True))


def enough(*_):
    raise KeyboardInterrupt


def run(directory, *arguments):
    """A run to its ticket, as what comes after it is no donor's; what was seen."""
    settings, dataset = configure(f"--run_dir={directory}", *TINY, *SHORT, *arguments)
    screen = io.StringIO()
    show = Console(rich.console.Console(file=screen, width=120))
    with pytest.MonkeyPatch.context() as patch, eagerly(), pytest.raises(KeyboardInterrupt):
        patch.setattr(pipeline, "retrain", enough)
        pipeline.run(settings, dataset, training.make_strategy("none"), show)
    return screen.getvalue()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """(method, check, rounds) -> the directory of its run and what was seen; all share dense trainings."""
    folder = tmp_path_factory.mktemp("lab")

    @functools.cache
    def find(method, check=None, rounds=1):
        directory = folder / f"{method}-{check}-{rounds}"
        return directory, run(directory, *flags(method, check, rounds))

    return find


class TestEveryCell:
    @slow
    @methods
    @pytest.mark.parametrize("check", FACTORIAL)
    def test_keeps_the_counts_of_one_ticket_at_positions_of_another(self, lab, method, check):
        counts, positions = FACTORIAL[check]
        found, donor, other = (ticket_of(lab(method, x)[0]) for x in (check, counts, positions))
        kept = [layer.kept for layer in found.layers]
        assert kept == [layer.kept for layer in donor.layers]
        assert kept != [layer.kept for layer in other.layers], "or nothing is told apart here"
        assert not same(found, donor) and not same(found, other)
        assert found.origin["sanity_check"] == check

    @slow
    @methods
    @pytest.mark.parametrize("check", ["corrupted_positions", "corrupted_ratios"])
    def test_finds_the_donor_as_a_run_of_its_own_does(self, lab, method, check):
        inside, (alone, *_) = lab(method, check)[0] / "donor", lab(method, FACTORIAL[check][0])
        assert same(ticket_of(inside), ticket_of(alone))
        assert json.loads((inside / "config.json").read_text()) == json.loads(
            (alone / "config.json").read_text()
        )

    @slow
    def test_without_a_donor_has_no_folder_for_one(self, lab):
        assert not (lab("snip", "corrupted+rearrange")[0] / "donor").exists()

    def test_says_where_its_counts_are_from(self, lab):
        assert (
            "the ticket that gives the counts of layers, under corrupted"
            in lab("snip", "corrupted_ratios")[1]
        )


class TestDenseTraining:
    @slow
    def test_is_shared_with_the_checks_whose_data_it_is(self, lab):
        runs = [lab("lt", check) for check in (None, "corrupted", *FACTORIAL)]
        assert len(list((runs[0][0].parent / "dense").iterdir())) == 2
        assert sum(seen.count("dense training\n") for _, seen in runs) == 2

    def test_of_a_check_is_named_by_the_check_whose_data_it_sees(self):
        def named(check):
            found, _ = configure(*flags("lt", check))
            donor = config.donor_of(found)
            return found.dense_dir, donor and donor.dense_dir

        clean, corrupted = named(None)[0], named("corrupted")[0]
        assert clean != corrupted
        assert named("corrupted_positions") == (corrupted, clean)
        assert named("corrupted_ratios") == (clean, corrupted)
        assert named("corrupted+rearrange") == (corrupted, None)


class TestInterruption:
    @slow
    @pytest.mark.parametrize(("rounds", "missing"), [(1, "pretrain"), (2, "_draw"), (2, "train_ticket")])
    def test_goes_on_to_the_same_ticket(self, lab, tmp_path, monkeypatch, rounds, missing):
        """Before the donor's dense training, before the run's own drawing, before a round of the donor."""
        whole, _ = lab("lt", "corrupted_ratios", rounds)
        arguments, draw = flags("lt", "corrupted_ratios", rounds), tickets._draw
        if missing != "pretrain":
            shutil.copytree(whole.parent / "dense", tmp_path / "dense")

        def stop(*arguments, **_):
            if missing == "_draw" and arguments[-1] is None:  # the donor's
                return draw(*arguments)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(tickets, missing, stop)
            run(tmp_path / "run", *arguments)
        assert not (tmp_path / "run" / "ticket.npz").exists()
        run(tmp_path / "run", *arguments)
        assert same(ticket_of(tmp_path / "run"), ticket_of(whole))

    @slow
    def test_looks_for_no_donor_where_the_ticket_is_there(self, lab, monkeypatch):
        directory, _ = lab("snip", "corrupted_ratios")
        before = (directory / "ticket.npz").stat().st_mtime_ns
        monkeypatch.setattr(tickets, "_donated", None)
        run(directory, *flags("snip", "corrupted_ratios"))
        assert (directory / "ticket.npz").stat().st_mtime_ns == before


@slow
def test_rounds_are_those_of_the_donor_too(lab):
    ratios, donor = (lab("lt", check, 2)[0] for check in ("corrupted_ratios", "corrupted"))
    counts = [[x.kept for x in ticket_of(directory).layers] for directory in (ratios, donor)]
    assert counts[0] == counts[1]
    assert same(ticket_of(ratios / "donor" / "round_00"), ticket_of(donor / "round_00"))


class TestErrors:
    @pytest.mark.parametrize("name", ["corupted", "corrupted_ratios", "none"])
    def test_a_donor_is_a_check_whose_counts_are_its_own(self, name, monkeypatch):
        row = dataclasses.replace(checks.CHECKS["corrupted_ratios"], counts_under=name)
        found, _ = configure(*flags("snip", "corrupted_ratios"))
        monkeypatch.setattr(type(found), "check", row)
        with pytest.raises(
            ValueError, match=f"counts_under='{name}' is unknown, or takes its counts elsewhere"
        ):
            config.donor_of(found)

    @pytest.mark.parametrize("column", ["claim", "data_under", "counts_under"])
    def test_names_are_words(self, column):
        with pytest.raises(ValueError, match=f"A check's {column} is a word, or None. Received: 3"):
            Check(about="x", asks="y", place="data", **{column: 3})

    def test_masks_are_changed_by_one_function(self):
        with pytest.raises(ValueError, match="not by both"):
            Check(about="x", asks="y", place="ticket", masks=list, channel_masks=list)
