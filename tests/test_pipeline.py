"""The story from data to result, on small networks: what every method leaves behind, what is never redone."""

import json

import numpy as np
import pytest

from tests.runs import configure, run
from tf_tickets import METHODS, Ticket, pipeline
from tf_tickets.store import NotOurs, RunDirectory
from tf_tickets.training import TrainingDiverged

TOTAL = 64 * 24 + 24 * 16 + 16 * 10

RESULT_KEYS = {
    "method",
    "sparsity",
    "achieved_sparsity",
    "kept",
    "total",
    "layers",
    "test_accuracy",
    "best_test_accuracy",
    "macs",
    "macs_kept",
    "seconds",
    "seed",
    "config",
    "versions",
    "weights_sha256",
}


def sparsity_of(method):
    return 0.8 if METHODS[method].prunes else 0.0


def arguments_for(method):
    return (f"--method={method}", f"--sparsity={sparsity_of(method)}")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_from_data_to_result(method, tmp_path):
    result, screen = run(tmp_path / "run", *arguments_for(method))
    assert result.keys() >= RESULT_KEYS
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == result
    assert result["total"] == TOTAL
    assert result["kept"] == round(TOTAL * (1 - sparsity_of(method)))
    assert result["nonzero"] == result["kept"] == sum(layer["kept"] for layer in result["layers"])
    assert result["macs"] == TOTAL and result["macs_kept"] == result["kept"]
    assert result["best_test_accuracy"] >= result["test_accuracy"] > 0.15
    assert ("dense_test_accuracy" in result) == METHODS[method].pretrains
    ticket = Ticket.load(tmp_path / "run" / "ticket.npz")
    assert ticket.kept == result["kept"] and ticket.origin["method"] == method
    assert f"{result['test_accuracy']:.4f}" in screen


def test_methods_share_one_dense_training(tmp_path):
    first, _ = run(tmp_path / "hybrid", "--method=hybrid")
    (dense,) = (tmp_path / "dense").iterdir()
    trained = (dense / "final.weights.h5").stat().st_mtime_ns
    second, screen = run(tmp_path / "lt", "--method=lt", "--sparsity=0.9")
    assert [dense] == list((tmp_path / "dense").iterdir())
    assert (dense / "final.weights.h5").stat().st_mtime_ns == trained
    assert "done before" in screen
    assert first["dense_test_accuracy"] == second["dense_test_accuracy"]
    other, _ = run(tmp_path / "seed", "--method=hybrid", "--seed=1")
    assert len(list((tmp_path / "dense").iterdir())) == 2
    assert other["weights_sha256"] != first["weights_sha256"]


def test_a_finished_run_is_not_redone(tmp_path):
    first, _ = run(tmp_path / "run", "--method=hybrid")
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*.[hn][5p]*")}
    again, _ = run(tmp_path / "run", "--method=hybrid")
    assert again == first
    assert files == {path: path.stat().st_mtime_ns for path in files}


def test_the_same_command_gives_the_same_bits(tmp_path):
    results = [run(tmp_path / name / "run", "--method=hybrid")[0] for name in "ab"]
    assert results[0]["weights_sha256"] == results[1]["weights_sha256"]


@pytest.mark.parametrize("stage", ["find_ticket", "retrain", "evaluate", "export", "report"])
def test_an_interrupted_run_goes_on_to_the_same_result(stage, tmp_path, monkeypatch):
    whole, _ = run(tmp_path / "whole" / "run", "--method=lt", "--sparsity=0.8")
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, stage, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cut" / "run", "--method=lt", "--sparsity=0.8")
    resumed, _ = run(tmp_path / "cut" / "run", "--method=lt", "--sparsity=0.8")
    assert resumed["weights_sha256"] == whole["weights_sha256"]
    assert resumed["test_accuracy"] == whole["test_accuracy"]


def test_weight_rewinding_makes_its_epoch_again_where_nobody_kept_it(tmp_path):
    arguments = ("--method=weight_rewinding", "--rewind_epoch=1", "--sparsity=0.8")
    kept, _ = run(tmp_path / "a" / "run", *arguments)
    run(tmp_path / "b" / "hybrid", "--method=hybrid")
    remade, screen = run(tmp_path / "b" / "run", *arguments)
    assert "again up to epoch 1" in screen
    assert remade["weights_sha256"] == kept["weights_sha256"]


def test_weight_rewinding_trains_the_rest_of_the_schedule(tmp_path):
    run(tmp_path / "run", "--method=weight_rewinding", "--rewind_epoch=1", "--sparsity=0.8")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]


def test_finetuning_keeps_to_the_last_learning_rate(tmp_path):
    run(tmp_path / "run", "--method=finetune", "--sparsity=0.8")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["learning_rate"] for line in lines] == pytest.approx([0.001] * 3)


def test_training_follows_the_schedule_and_logs_every_epoch(tmp_path):
    run(tmp_path / "run", "--method=random", "--epochs=4", "--milestones=2,3", "--validation_fraction=0.1")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.1, 0.1, 0.01, 0.001])
    assert all({"loss", "accuracy", "test_accuracy", "validation_accuracy"} <= row.keys() for row in rows)
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_the_exported_model_has_the_tickets_zeros(tmp_path):
    result, screen = run(tmp_path / "run", "--method=random", "--export=saved_model,keras")
    import keras

    loaded = keras.models.load_model(tmp_path / "run" / "model.keras")
    kernels = [np.asarray(layer.kernel) for layer in loaded.layers if hasattr(layer, "kernel")]
    assert sum(int(np.count_nonzero(kernel)) for kernel in kernels) == result["kept"]
    stages = json.loads((tmp_path / "run" / "stages.json").read_text())
    biases = [np.asarray(layer.bias) for layer in loaded.layers if hasattr(layer, "bias")]
    others = sum(int(np.count_nonzero(bias)) for bias in biases)
    assert stages["export_saved_model"]["nonzeros"] == result["kept"] + others
    assert str(tmp_path / "run" / "saved_model") in screen


def test_a_format_can_be_exported_later(tmp_path):
    run(tmp_path / "run", "--method=random")
    run(tmp_path / "run", "--method=random", "--export=keras")
    assert (tmp_path / "run" / "model.keras").exists()


def test_a_directory_of_another_config_is_left_alone(tmp_path):
    run(tmp_path / "run", "--method=random", "--sparsity=0.8")
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    with pytest.raises(NotOurs, match=r"sparsity=0\.8, not 0\.9"):
        run(tmp_path / "run", "--method=random", "--sparsity=0.9")
    assert before == {path: path.read_bytes() for path in before}


def test_somebody_elses_directory_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(NotOurs, match="not empty and not a run directory"):
        run(tmp_path, "--method=random")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("damage", ["", "{", "[1, 2]", "\x00\x01"])
def test_a_damaged_config_is_reported(damage, tmp_path):
    run(tmp_path / "run", "--method=random")
    (tmp_path / "run" / "config.json").write_text(damage)
    with pytest.raises(NotOurs, match=r"config\.json|another config"):
        run(tmp_path / "run", "--method=random")


def test_divergence_stops_the_run_at_once_and_leaves_no_result(tmp_path):
    with pytest.raises(TrainingDiverged, match="Lower the learning rate"):
        run(tmp_path / "run", "--method=random", "--learning_rate=1e20", "--model=resnet8", "--width=0.1")
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_collapsed_layer_is_a_warning_before_retraining(tmp_path):
    _, screen = run(tmp_path / "run", "--method=random", "--sparsity=0.999")
    assert "collapsed" in screen
    assert screen.index("collapsed") < screen.index("retrain")


def test_the_test_set_decides_nothing(tmp_path, monkeypatch):
    """Other test labels, same final weights."""
    honest, _ = run(tmp_path / "a" / "run", "--method=hybrid")
    settings, dataset = configure(f"--run_dir={tmp_path / 'b' / 'run'}", *_tiny(), "--method=hybrid")
    test = dataset.splits["test"]
    lies = type(test)(test.images, (test.labels + 1) % 10)
    from tests.runs import Console, rich, training

    show = Console(rich.console.Console(file=open("/dev/null", "w")))  # noqa: SIM115
    misled = pipeline.run(settings, dataset.replace("test", lies), training.make_strategy("none"), show)
    assert misled["weights_sha256"] == honest["weights_sha256"]
    assert misled["test_accuracy"] < 0.2


def _tiny():
    from tests.runs import TINY

    return TINY


@pytest.mark.parametrize("lost", ["final.weights.h5", "ticket.npz", "model.keras"])
def test_a_stage_whose_output_is_gone_is_done_again(lost, tmp_path):
    whole, _ = run(tmp_path / "run", "--method=random", "--export=keras")
    (tmp_path / "run" / lost).unlink()
    again, _ = run(tmp_path / "run", "--method=random", "--export=keras")
    assert (tmp_path / "run" / lost).exists()
    assert again["weights_sha256"] == whole["weights_sha256"]


def test_another_ticket_in_the_directory_is_refused(tmp_path):
    run(tmp_path / "run", "--method=random", "--sparsity=0.8")
    run(tmp_path / "other", "--method=random", "--sparsity=0.5")
    (tmp_path / "run" / "ticket.npz").write_bytes((tmp_path / "other" / "ticket.npz").read_bytes())
    with pytest.raises(ValueError, match="not the ticket that this run found"):
        run(tmp_path / "run", "--method=random", "--sparsity=0.8")


@pytest.mark.parametrize("damaged", ["stages.json", "ticket.npz", "final.weights.h5"])
def test_a_damaged_file_is_named(damaged, tmp_path):
    run(tmp_path / "run", "--method=random")
    (tmp_path / "run" / damaged).write_bytes(b"[1]")
    with pytest.raises(ValueError, match=damaged):
        run(tmp_path / "run", "--method=random", "--export=keras")


def test_a_finished_run_does_not_need_its_dense_training(tmp_path):
    first, _ = run(tmp_path / "run", "--method=hybrid")
    (dense,) = (tmp_path / "dense").iterdir()
    dense.rename(tmp_path / "moved")
    again, _ = run(tmp_path / "run", "--method=hybrid")
    assert again == first and not dense.exists()


def test_a_lost_ticket_of_a_trained_network_brings_its_dense_training_back(tmp_path):
    first, _ = run(tmp_path / "run", "--method=hybrid")
    (dense,) = (tmp_path / "dense").iterdir()
    dense.rename(tmp_path / "moved")
    (tmp_path / "run" / "ticket.npz").unlink()
    again, _ = run(tmp_path / "run", "--method=hybrid")
    assert again["weights_sha256"] == first["weights_sha256"] and dense.exists()


def test_a_budget_that_cannot_be_met_is_an_error_before_work_starts(tmp_path):
    with pytest.raises(ValueError, match="budget is"):
        run(tmp_path / "run", "--method=hybrid", "--rounding=reference", "--sparsity=0.99")
    assert list(tmp_path.iterdir()) == []


def test_two_processes_do_not_work_in_one_directory(tmp_path):
    settings, _ = configure(f"--run_dir={tmp_path / 'run'}", *_tiny(), "--method=random")
    first = RunDirectory(settings.run_dir, settings.identity, "run").claim()
    with first.locked(), pytest.raises(NotOurs, match="Another process is at work"):
        run(tmp_path / "run", "--method=random")
    run(tmp_path / "run", "--method=random")


def test_scratch_of_a_killed_process_is_swept_away(tmp_path):
    for directory in (tmp_path / "run", tmp_path / "dense"):
        directory.mkdir()
    (tmp_path / "run" / ".config.json.abcd1234").mkdir()
    run(tmp_path / "run", "--method=random")
    assert not (tmp_path / "run" / ".config.json.abcd1234").exists()
