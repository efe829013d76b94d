"""Methods whose masks move while they train, from the command line's flags to result.json."""

import functools
import json

import numpy as np
import pytest

from tests.event_files import curves
from tests.runs import TINY, configure, run
from tf_tickets import Ticket, models
from tf_tickets.methods.table import METHODS
from tf_tickets.pipeline.tickets import draw_source
from tf_tickets.training import Checkpoints, Trainer

pytestmark = pytest.mark.slow  # its trainings

SMALL = "--model=mlp_8"
SOURCE = ("--source_density=0.5", "--source_ratios=balanced")
# So short a training moves its masks every five steps, and its thresholds from where they matter.
OPTIONS = {
    **dict.fromkeys(("gmp", "rigl", "set", "granet"), "frequency=5"),
    "str": "initial_value=-4,decay=0.05",
    "edge_popup": "start=0.5,levels=2",
}
SEARCHES = sorted(name for name, row in METHODS.items() if row.search is not None)
every_search = pytest.mark.parametrize("name", SEARCHES)


def arguments(name, *others):
    aims = ("--sparsity=0.8",) if METHODS[name].aims else ()
    return (SMALL, f"--method={name}", f"--search_options={OPTIONS[name]}", *aims, *SOURCE, *others)


class Found:
    """A run, what it printed and what it left."""

    def __init__(self, folder, name, *others):
        self.folder = folder
        self.result, self.screen = run(folder, *arguments(name, *others))
        self.first = Ticket.load(folder / "start_ticket.npz")
        self.last = Ticket.load(folder / "ticket.npz")
        self.curves = curves(folder / "tensorboard")
        self.rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return {name: Found(tmp_path_factory.mktemp(name) / "run", name) for name in SEARCHES}


def source_of(name):
    """The source mask of these flags, drawn apart from any run."""
    return source_with(*arguments(name))


@functools.cache
def source_with(*flags):
    settings, dataset = configure(*TINY, *flags)
    model = models.build(settings.recipe.model, dataset.input_shape, dataset.num_classes)
    return draw_source(settings, model)


def outside(ticket, source):
    return sum(int(np.count_nonzero(a & ~b)) for a, b in zip(ticket.masks, source.masks, strict=True))


class TestInsideASource:
    @every_search
    def test_no_mask_ever_leaves_it(self, name, found):
        source = source_of(name)
        assert source.kept == round(source.total / 2) < source.total
        assert outside(found[name].first, source) == outside(found[name].last, source) == 0

    @every_search
    def test_training_starts_from_a_ticket_or_from_all_of_the_source(self, name, found):
        if METHODS[name].search.drawn:
            assert found[name].first.kept == round(0.2 * found[name].first.total)
        else:
            assert found[name].first.sha256 == source_of(name).sha256

    @every_search
    def test_the_target_is_met_to_the_unit(self, name, found):
        ticket, result = found[name].last, found[name].result
        assert (result["kept"], result["total"]) == (ticket.kept, ticket.total)
        assert result["achieved_sparsity"] == ticket.sparsity
        if METHODS[name].search.aims:
            assert ticket.kept == round(0.2 * ticket.total) and result["sparsity"] == 0.8
        else:
            assert ticket.kept < 0.5 * ticket.total, "more than the source removes"
            assert result["sparsity"] == 0.5, "what the source removes is all that was asked for"

    @every_search
    def test_connections_were_searched_for(self, name, found):
        first, last = found[name].first, found[name].last
        assert first.sha256 != last.sha256
        if METHODS[name].search.grows and METHODS[name].search.drawn:
            assert outside(last, first) > 0, "some are new"
            assert [x.kept for x in first.layers] == [x.kept for x in last.layers]
        else:
            assert outside(last, first) == 0

    @every_search
    def test_every_epoch_tells_its_density_and_all_their_cost(self, name, found):
        rows, result = found[name].rows, found[name].result
        assert rows[-1]["density"] == pytest.approx(1 - result["achieved_sparsity"])
        ends = [row["macs_density"] for row in rows]
        begins = [1 - found[name].first.sparsity, *ends[:-1]]  # of a perceptron, weights are multiply-adds
        means = (
            ends
            if METHODS[name].search.in_levels
            else [(a + b) / 2 for a, b in zip(begins, ends, strict=True)]
        )
        assert result["training_cost"] == pytest.approx(sum(means))
        assert all(row["density"] <= 0.5 for row in rows)

    @every_search
    def test_tensorboard_has_the_density_of_every_layer(self, name, found):
        for layer in found[name].last.layers:
            curve = found[name].curves[f"density/{layer.name}"]
            assert list(curve) == [row["epoch"] for row in found[name].rows]
            assert list(curve.values())[-1] == np.float32(layer.keep_ratio)

    @every_search
    def test_the_screen_tells_of_the_source_and_of_what_was_found(self, name, found):
        screen = found[name].screen
        assert "source mask  density 0.5: " in screen and "balanced ratios" in screen
        assert f"found: keeps {found[name].last.kept:,} of " in screen

    @every_search
    def test_running_again_does_nothing_twice(self, name, found):
        result, screen = run(found[name].folder, *arguments(name))
        assert result["weights_sha256"] == found[name].result["weights_sha256"]
        assert "retraining: done before" in screen

    # That each search goes on to the same bits is held in tests/sparse_training/test_resuming.py, and that a
    # ticket is found again in tests/pipeline/test_killed_runs.py. Here layers are others, too.
    def test_a_killed_run_comes_to_the_same_bits(self, found, tmp_path, monkeypatch):
        name = "edge_popup"

        class Kill(Exception):
            pass

        save, seen = Checkpoints.save, []

        def killed(self, *values):
            save(self, *values)
            seen.append(1)
            if len(seen) == 4:
                raise Kill

        monkeypatch.setattr(Checkpoints, "save", killed)
        with pytest.raises(Kill):
            Found(tmp_path / "run", name, "--checkpoint_minutes=0")
        again = Found(tmp_path / "run", name, "--checkpoint_minutes=0")
        assert len(seen) > 4
        assert again.result["weights_sha256"] == found[name].result["weights_sha256"]
        assert again.last.sha256 == found[name].last.sha256
        assert again.rows == found[name].rows
        assert again.curves == found[name].curves


class TestWithoutASource:
    """Of one epoch, in which masks move every other step."""

    short = ("--sparsity=0.8", "--search_options=frequency=2", SMALL, "--epochs=1")

    def test_rigl_grows_anywhere(self, tmp_path):
        result, screen = run(tmp_path / "run", "--method=rigl", *self.short)
        assert result["kept"] == round(0.2 * result["total"]) and "source mask" not in screen

    def test_or_starts_inside_of_one_and_leaves_it(self, tmp_path):
        found = Found(tmp_path / "run", "granet", "--free_growth", "--epochs=2")
        source = source_of("granet")
        assert found.first.sha256 == source.sha256 and outside(found.last, source) > 0
        assert "left by what grows" in found.screen

    def test_gradual_pruning_starts_from_the_whole_network(self, tmp_path, monkeypatch):
        """That it ends at its target is told by the runs above."""

        def begun(*given, **options):
            raise InterruptedError

        monkeypatch.setattr(Trainer, "fit", begun)
        with pytest.raises(InterruptedError):
            run(tmp_path / "run", "--method=gmp", *self.short)
        assert Ticket.load(tmp_path / "run" / "start_ticket.npz").sparsity == 0


class TestTicketsInsideASource:
    """The methods that draw their ticket before the last training."""

    def test_lie_in_it_and_so_does_the_dense_training_and_rounds_go_from_it_to_the_target(self, tmp_path):
        options = (SMALL, "--method=lt", "--sparsity=0.8", "--rounds=2", "--epochs=2", *SOURCE)
        result, screen = run(tmp_path / "run", *options)
        rounds = [Ticket.load(tmp_path / "run" / part / "ticket.npz") for part in ("round_00", "")]
        source, total = source_of("gmp"), rounds[-1].total
        densities = [1 - ticket.sparsity for ticket in rounds]
        assert densities == pytest.approx([(0.5 * 0.2) ** 0.5, 0.2], abs=1e-3)
        assert rounds[-1].kept == round(0.2 * total)
        assert outside(rounds[0], source) == outside(rounds[1], rounds[0]) == 0
        assert "source network" in screen and "dense_test_accuracy" not in result
        kept = sum(ticket.kept for ticket in (source, *rounds))
        assert result["training_cost"] == pytest.approx(2 * kept / total)

    def test_rearranged_ones_stay_inside_of_sources_of_other_ratios_and_samplings(self, tmp_path):
        """Bernoulli masks without dead channels; what scores the initialisation trains the ticket alone."""
        given, _ = configure(*TINY, "--method=gmp", "--source_density=0.4", "--source_ratios=1,0.5,0.2")
        assert given.source_ratios == (1.0, 0.5, 0.2)
        source = ("--source_density=0.3", "--source_sampling=bernoulli", "--source_preserve_flow")
        options = (
            SMALL,
            "--method=snip",
            "--sparsity=0.9",
            "--epochs=1",
            "--sanity_check=rearrange",
            *source,
        )
        result, _ = run(tmp_path / "run", *options)
        source = source_with(*options)
        assert 0.2 < 1 - source.sparsity < 0.4
        ticket = Ticket.load(tmp_path / "run" / "ticket.npz")
        assert outside(ticket, source) == 0 and ticket.kept == round(0.1 * ticket.total)
        assert ticket.origin["sanity_check"] == "rearrange"
        assert result["training_cost"] == pytest.approx(ticket.kept / ticket.total)


class TestErrorsBeforeWork:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--sparsity=0.5", "--source_density=0.3"], "a target cannot be denser than its source"),
            (
                ["--source_density=0"],
                r"--source_density=0.0 is out of range: it is a number in",
            ),
            (["--source_density=1.5"], r"--source_density=1.5 is out of range"),
            (
                ["--source_ratios=balanced"],
                "--source_ratios is about a source mask: say --source",
            ),
            (
                ["--source_density=0.5", "--source_ratios=most"],
                "--source_ratios=most is unknown. Choose",
            ),
            (["--source_density=0.5", "--free_growth"], "--free_growth=True is only for a method that grows"),
            (
                ["--search_options=frequency=3"],
                "only for a method that searches while it trains",
            ),
            (
                ["--method=dense", "--source_density=0.5"],
                "--source_density=0.5 is only for a method that pr",
            ),
            (
                ["--method=str", "--sparsity=0.9"],
                "only for a method that ends at a sparsity",
            ),
            (
                ["--method=rigl", "--search_options=alpha=1"],
                "rigl has no option alpha. It has: frequency=100",
            ),
            (["--method=gmp", "--ratios=erk"], "--ratios=erk is only for a method that prunes by ratios"),
            (["--method=gmp", "--score=snip"], "--score=snip is only for a method that prunes by drawing"),
            (["--method=rigl", "--sanity_check=rearrange"], "masks move while it trains"),
            (["--source_density=0.5", "--rounding=reference"], "--rounding=reference is for whole networks"),
        ],
    )
    def test_of_flags(self, options, message):
        with pytest.raises(ValueError, match=message):
            configure(*options)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                ["--method=rigl", "--search_options=frequency=5,drop_fraction=2"],
                r"--search_options: drop_fraction= is a fraction in \(0, 1\). Received: 2",
            ),
            (
                ["--method=rigl"],
                "frequency=100 is no less than the 52 steps in which masks move",
            ),
            (["--method=gmp", "--search_options=until=0.9"], "frequency=100 is no less than the 62 steps"),
            (
                ["--method=set", "--sparsity=0.7", "--source_density=0.3", "--search_options=frequency=5"],
                "--method=set has nowhere to grow: --sparsity=0.7 keeps all of the source",
            ),
            (["--method=gmp", "--search_options=until=0"], r"until= is a part of the training, in \(0, 1\]"),
            (["--method=gmp", "--search_options=frequency=0"], "frequency= is a whole number, 1 or more"),
            (
                ["--method=edge_popup", "--search_options=weights=mine"],
                "--search_options: weights='mine' is",
            ),
            (
                ["--method=str", "--optimizer=adam"],
                "Thresholds rise only by decay",
            ),
            (
                ["--source_density=0.02", "--sparsity=0.985", "--source_ratios=pyramidal", "--method=snip"],
                "--source_density=0.02 with --source_ratios=pyramidal disconnects the network",
            ),
        ],
    )
    def test_of_what_only_the_model_tells(self, options, message, tmp_path):
        with pytest.raises(ValueError, match=message):
            run(tmp_path / "run", *options)
        assert not (tmp_path / "run").exists()
