"""Runs of methods that do not retrain: a dense network, pruned on calibration data and evaluated."""

import numpy as np
import pytest

from tests import runs
from tests.runs import eagerly
from tf_tickets import Ticket
from tf_tickets.pruning import SCORES

# The masks of the row of that name.
WANDA = ("--score=wanda", "--pattern=constant_fan_in")


def run(directory, *arguments):
    """Of what is to be done nothing needs tracing."""
    with eagerly():
        return runs.run(directory, *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where runs share their dense training: that of the first of them."""
    folder = tmp_path_factory.mktemp("post_training")
    runs.run(folder / "plain", "--method=wanda", "--sparsity=0.7")
    return folder


@pytest.mark.slow
class TestARun:
    @pytest.mark.parametrize("method", ["wanda", "sparsegpt"])
    def test_is_pruned_and_evaluated_and_not_trained_again(self, method, folder):
        result, screen = run(folder / method, f"--method={method}", "--sparsity=0.5")
        assert result["epochs_trained" if "epochs_trained" in result else "training_cost"] == 3
        assert "retraining" not in screen
        # A network of few epochs; guessing is 0.1.
        assert result["test_accuracy"] > 0.8 * result["dense_test_accuracy"]
        assert result["nonzero"] == result["kept"]

    def test_of_a_solver_has_the_weights_that_make_up_for_the_others(self, folder):
        solved, _ = run(folder / "solved", "--method=sparsegpt", *WANDA, "--sparsity=0.7")
        plain, _ = run(folder / "plain", "--method=wanda", "--sparsity=0.7")
        masks = [Ticket.load(folder / name / "ticket.npz").masks for name in ("solved", "plain")]
        assert all(map(np.array_equal, *masks))
        assert solved["weights_sha256"] != plain["weights_sha256"]

    def test_goes_on_with_a_ticket_that_is_given(self, folder):
        run(folder / "plain", "--method=wanda", "--sparsity=0.7")
        path = folder / "plain" / "ticket.npz"
        given, _ = run(folder / "given", "--method=sparsegpt", f"--ticket={path}")
        solved, _ = run(folder / "solved", "--method=sparsegpt", *WANDA, "--sparsity=0.7")
        assert given["weights_sha256"] == solved["weights_sha256"]

    def test_under_a_check_of_the_data_prunes_the_same_network_on_other_data(self, folder):
        method = "sparsegpt"
        clean, _ = run(folder / method, f"--method={method}", "--sparsity=0.5")
        arguments = (f"--method={method}", "--sparsity=0.5", "--sanity_check=corrupted")
        other, _ = run(folder / f"{method}_corrupted", *arguments)
        assert other["dense_test_accuracy"] == clean["dense_test_accuracy"]
        assert other["config"]["dense_dir"] == clean["config"]["dense_dir"]
        assert other["weights_sha256"] != clean["weights_sha256"]

    def test_in_rounds_draws_anew_on_the_inputs_of_the_pruned_network(self, folder):
        once, _ = run(folder / "plain", "--method=wanda", "--sparsity=0.7")
        rounds, _ = run(folder / "rounds", "--method=wanda", "--sparsity=0.7", "--rounds=3")
        assert rounds["kept"] == once["kept"] and rounds["weights_sha256"] != once["weights_sha256"]
        assert not (folder / "rounds" / "round_00").exists()


@pytest.mark.parametrize("name", ["wanda", "obs"])
def test_no_label_is_looked_at(name):
    assert not SCORES[name].labels


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method=sparsegpt", "--ratios=global"], "ratios='global' is not for a method that chooses"),
        (["--method=sparsegpt", "--preserve_flow"], "preserve_flow=True is not for"),
        (["--method=sparsegpt", "--rounds=2"], "--rounds=2 is only for a method that gains by rounds"),
    ],
)
def test_what_a_solver_cannot_meet_is_refused_before_work(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "run", *arguments, "--sparsity=0.5")
    assert not list(tmp_path.glob("dense/*/final*"))
