"""The story from data to result, on small networks: what every method leaves behind, what is never redone."""

import dataclasses
import errno
import functools
import io
import json
import shutil
import time

import numpy as np
import pytest
import rich.console

from tests import runs
from tests.event_files import curves
from tests.runs import SHORT, TINY, configure, eagerly
from tests.runs import short as run
from tf_tickets import METHODS, Ticket, data, pipeline, training
from tf_tickets.pipeline import outputs
from tf_tickets.pruning import SCORES
from tf_tickets.storage import atomic_files, directories, locks
from tf_tickets.storage.atomic_files import MARK
from tf_tickets.storage.directories import RunDirectory
from tf_tickets.storage.errors import NotOurs
from tf_tickets.support.console import Console
from tf_tickets.training import TrainingDiverged
from tf_tickets.training.steps import Steps

finished = functools.partial(runs.finished, by=run)

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
    return 0.8 if METHODS[method].aims else 0.0


def arguments_for(method):
    row = METHODS[method]
    aims = row.aims or not row.prunes
    moves = row.search is not None and "frequency" in row.search.options
    return (
        f"--method={method}",
        *([f"--sparsity={sparsity_of(method)}"] if aims else []),
        *(["--search_options=frequency=1"] if moves else []),
        *(["--rewind_epoch=1"] if row.rewinds and row.schedule == "rest" else []),
    )


# One of each way through the pipeline; of searches one that draws its ticket and grows, one that ends at its
# sparsity, one that replaces layers. What each search does to a network is told in tests/sparse_training,
# what scores and ratios come to in tests/pruning; a run of wanda in test_tickets_post_training.py.
WAYS = ("dense", "random", "snip", "hybrid", "lt", "weight_rewinding", "finetune", "sparsegpt")
SEARCHES = ("gmp", "str", "rigl")
# What a row gives to the drawing of its ticket, and what people and reports read.
GIVEN = ("score", "ratios", "classifier_keep", "pattern", "about", "baseline", "null")


def way(method):
    """Of a row, what decides the way that a run takes."""
    given = {field: getattr(METHODS["random"], field) for field in GIVEN}
    return dataclasses.replace(METHODS[method], **given)


def drawn_otherwise(name):
    """Whether a method is `random` but for its score and ratios: from its ticket on, all is the same."""
    return name not in WAYS and way(name) == way("random")


def test_every_way_is_one_that_is_run():
    ways = [way(name) for name in (*WAYS, "wanda")]
    assert not [name for name, row in METHODS.items() if row.search is None and way(name) not in ways]


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """Method -> the directory of its run, its result and screen; all share a dense training."""
    folder = tmp_path_factory.mktemp("together")

    @functools.cache
    def find(method):
        if method != "hybrid":
            find("hybrid")  # whose dense training it is
        # A dense training that lies beside a run is told of, also where the method has none.
        directory = folder / ("." if METHODS[method].pretrains else "alone") / f"run_{method}"
        return directory, *run(directory, *arguments_for(method))

    return find


@pytest.mark.slow
@pytest.mark.parametrize("method", [*WAYS, *SEARCHES])
def test_every_method_runs_from_data_to_result(method, beside):
    directory, result, screen = beside(method)
    assert result.keys() >= RESULT_KEYS
    assert json.loads((directory / "result.json").read_text()) == result
    assert result["total"] == TOTAL
    assert result["kept"] == round(TOTAL * (1 - sparsity_of(method)))
    assert result["kept"] == sum(layer["kept"] for layer in result["layers"])
    # What has grown starts at zero, and may still be there.
    grows = METHODS[method].search is not None and METHODS[method].search.grows
    assert result["nonzero"] <= result["kept"] if grows else result["nonzero"] == result["kept"]
    assert result["macs"] == TOTAL and result["macs_kept"] == result["kept"]
    assert result["best_test_accuracy"] >= result["test_accuracy"]
    assert ("dense_test_accuracy" in result) == METHODS[method].pretrains
    ticket = Ticket.load(directory / "ticket.npz")
    assert ticket.kept == result["kept"] and ticket.origin["method"] == method
    assert f"{result['test_accuracy']:.4f}" in screen


@pytest.mark.slow
def test_methods_of_other_scores_and_ratios_draw_their_tickets(tmp_path, monkeypatch):
    names, layers = ["random", *filter(drawn_otherwise, METHODS)], {}
    for method in names:
        ticket = ticket_of(tmp_path / method, monkeypatch, *arguments_for(method))
        assert ticket.kept == round(TOTAL * (1 - sparsity_of(method)))
        assert ticket.origin["method"] == method
        layers[method] = tuple(layer.kept for layer in ticket.layers)
    assert layers.pop("er") == layers["erk"], "without kernels, one is the other"
    assert len(set(layers.values())) == len(layers) == len(names) - 1


@pytest.mark.slow
def test_methods_share_one_dense_training(beside):
    (first, one, _), (second, other, screen) = map(beside, ("hybrid", "lt"))
    (dense,) = (second.parent / "dense").iterdir()
    written = (path.stat().st_mtime_ns for path in (dense / "final.weights.h5", first / "result.json"))
    assert next(written) < next(written)
    assert "done before" in screen
    assert one["dense_test_accuracy"] == other["dense_test_accuracy"]
    dense_dirs = {configure("--method=hybrid", f"--seed={seed}")[0].dense_dir for seed in (0, 0, 1)}
    assert len(dense_dirs) == 2, "one for each seed"


@pytest.mark.slow
def test_a_finished_run_is_not_redone(tmp_path):
    first, _ = finished(tmp_path / "run", "--method=hybrid")
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*.[hn][5p]*")}
    again, _ = run(tmp_path / "run", "--method=hybrid")
    assert elsewhere(again) == elsewhere(first)
    assert files == {path: path.stat().st_mtime_ns for path in files}


@pytest.mark.slow
def test_a_finished_run_is_shown_again_where_nothing_may_be_written(tmp_path, monkeypatch):
    finished(tmp_path / "run", "--method=hybrid")
    _, before = run(tmp_path / "run", "--method=hybrid")
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name != ".lock"}
    _, again = run(tmp_path / "run", "--method=hybrid")
    assert again == before
    assert files == {path: path.stat().st_mtime_ns for path in files}, "nothing has changed"

    def refused(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(locks, "open", refused, raising=False)
    for name in ("write_json", "write_text"):
        for module in (atomic_files, directories):
            monkeypatch.setattr(module, name, refused)
    assert run(tmp_path / "run", "--method=hybrid")[1] == before
    monkeypatch.setattr(outputs, "versions", lambda: {"python": "4.0"})
    assert run(tmp_path / "run", "--method=hybrid")[1] == before
    (tmp_path / "run" / "result.json").unlink()
    with pytest.raises(OSError, match="Read-only"):
        run(tmp_path / "run", "--method=hybrid")


@pytest.mark.slow
def test_the_same_command_gives_the_same_bits_whatever_the_clock_says(tmp_path, monkeypatch):
    """Back by decades, in the middle of everything."""
    expected, _ = finished(tmp_path / "a" / "run", "--method=random")
    days = iter(range(10**6, 0, -1))
    monkeypatch.setattr(time, "time", lambda: 86_400.0 * next(days))
    found, _ = run(tmp_path / "b" / "run", "--method=random", "--checkpoint_minutes=0")
    assert found["weights_sha256"] == expected["weights_sha256"]
    assert all(0 <= seconds < 600 for seconds in found["seconds"].values())


@pytest.mark.slow
def test_a_run_that_is_interrupted_before_every_stage_goes_on_to_the_same_result(
    beside, tmp_path, monkeypatch
):
    _, whole, _ = beside("lt")
    for stage in ("find_ticket", "retrain", "evaluate", "export", "report"):
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, stage, interrupted)
            with pytest.raises(KeyboardInterrupt):
                run(tmp_path / "run", *arguments_for("lt"))
        assert not (tmp_path / "run" / "result.json").exists()
    resumed, _ = run(tmp_path / "run", *arguments_for("lt"))
    assert resumed["weights_sha256"] == whole["weights_sha256"]
    assert resumed["test_accuracy"] == whole["test_accuracy"]


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.mark.slow
def test_weight_rewinding_makes_its_epoch_again_where_nobody_kept_it(beside, tmp_path):
    kept, _ = run(tmp_path / "run", *arguments_for("weight_rewinding"))
    _, remade, screen = beside("weight_rewinding")
    assert "again up to epoch 1" in screen
    assert remade["weights_sha256"] == kept["weights_sha256"]


@pytest.mark.slow
def test_weight_rewinding_trains_the_rest_of_the_schedule(beside):
    lines = (beside("weight_rewinding")[0] / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1]


@pytest.mark.slow
def test_finetuning_keeps_to_the_last_learning_rate(beside):
    lines = (beside("finetune")[0] / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["learning_rate"] for line in lines] == pytest.approx([0.01] * 2)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run of a schedule of its own that exports: its directory, its result, what the person saw."""
    folder = tmp_path_factory.mktemp("exported") / "run"
    flags = ("--epochs=4", "--milestones=2,3", "--validation_fraction=0.1", "--export=keras")
    return folder, *run(folder, "--method=random", *flags)


@pytest.mark.slow
def test_training_follows_the_schedule_and_logs_every_epoch(exported):
    folder, _, _ = exported
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.1, 0.1, 0.01, 0.001])
    assert all({"loss", "accuracy", "test_accuracy", "validation_accuracy"} <= row.keys() for row in rows)
    seen = curves(folder / "tensorboard")
    assert list(seen["test_accuracy"].values()) == [np.float32(row["test_accuracy"]) for row in rows]
    for layer in Ticket.load(folder / "ticket.npz").layers:
        assert list(seen[f"density/{layer.name}"].values()) == [np.float32(layer.keep_ratio)] * 4


@pytest.mark.slow
def test_the_exported_model_has_the_tickets_zeros(exported):
    folder, result, screen = exported
    import keras

    loaded = keras.models.load_model(folder / "model.keras")
    kernels = [np.asarray(layer.kernel) for layer in loaded.layers if hasattr(layer, "kernel")]
    assert sum(int(np.count_nonzero(kernel)) for kernel in kernels) == result["kept"]
    assert str(folder / "model.keras") in screen


@pytest.mark.slow
def test_a_directory_of_another_config_is_left_alone(tmp_path):
    finished(tmp_path / "run", "--method=random", "--sparsity=0.9")
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    with pytest.raises(NotOurs, match=r"sparsity=0\.9, not 0\.8"):
        run(tmp_path / "run", "--method=random", "--sparsity=0.8")
    assert before == {path: path.read_bytes() for path in before}


def test_somebody_elses_directory_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(NotOurs, match="not empty and not a run directory"):
        run(tmp_path, "--method=random")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["", "{", "[1, 2]", "\x00\x01"])
def test_a_damaged_config_is_reported(damage, tmp_path):
    finished(tmp_path / "run", "--method=random")
    (tmp_path / "run" / "config.json").write_text(damage)
    with pytest.raises(NotOurs, match=r"config\.json|another config"):
        run(tmp_path / "run", "--method=random")


@pytest.mark.slow
def test_divergence_stops_the_run_at_once_and_leaves_no_result(tmp_path):
    with pytest.raises(TrainingDiverged, match="Lower the learning rate"):
        run(tmp_path / "run", "--method=random", "--learning_rate=1e20")
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.slow
def test_a_collapsed_layer_is_a_warning_before_retraining(tmp_path, monkeypatch):
    screen = until_the_ticket(tmp_path / "run", monkeypatch, "--method=random", "--sparsity=0.999")
    assert "collapsed" in screen


@pytest.mark.slow
def test_the_test_set_decides_nothing(tmp_path, monkeypatch):
    """Other test labels, same final weights."""
    honest, _ = finished(tmp_path / "a" / "run", "--method=random")
    given = (f"--run_dir={tmp_path / 'b' / 'run'}", *TINY, *SHORT, "--method=random")
    settings, dataset = configure(*given)
    test = dataset.splits["test"]
    lies = dataset.replace("test", type(test)(test.images, (test.labels + 1) % 10))
    show = Console(rich.console.Console(file=io.StringIO()))
    with eagerly():
        misled = pipeline.run(settings, lies, training.make_strategy("none"), show)
    assert misled["weights_sha256"] == honest["weights_sha256"]
    assert misled["test_accuracy"] != honest["test_accuracy"]


@pytest.mark.slow
def test_a_format_can_be_exported_later_and_a_stage_whose_output_is_gone_is_done_again(tmp_path):
    whole, _ = finished(tmp_path / "run", "--method=random")
    for lost in ("model.keras", "model.keras", "final.weights.h5"):  # the first was not yet there
        (tmp_path / "run" / lost).unlink(missing_ok=lost == "model.keras")
        again, _ = run(tmp_path / "run", "--method=random", "--export=keras")
        assert (tmp_path / "run" / lost).exists() and (tmp_path / "run" / "model.keras").exists()
        assert again["weights_sha256"] == whole["weights_sha256"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("noted", "said"),
    [
        (("hashes", "seal", "sha256"), "not what stage ticket left there"),
        (("sha256",), "not the ticket that this run found"),  # by an older release
    ],
)
def test_another_ticket_in_the_directory_is_refused(noted, said, tmp_path):
    finished(tmp_path / "run", "--method=random", "--sparsity=0.9")
    finished(tmp_path / "other", "--method=random")
    (tmp_path / "run" / "ticket.npz").write_bytes((tmp_path / "other" / "ticket.npz").read_bytes())
    stages = json.loads((tmp_path / "run" / "stages.json").read_text())
    left_out = {"hashes", "seal", "sha256"} - {*noted}
    stages["ticket"] = {name: value for name, value in stages["ticket"].items() if name not in left_out}
    (tmp_path / "run" / "stages.json").write_text(json.dumps(stages))
    with pytest.raises(ValueError, match=said):
        run(tmp_path / "run", "--method=random", "--sparsity=0.9")


@pytest.mark.slow
@pytest.mark.parametrize("damaged", ["stages.json", "ticket.npz", "final.weights.h5"])
def test_a_damaged_file_is_named(damaged, tmp_path):
    finished(tmp_path / "run", "--method=random")
    (tmp_path / "run" / damaged).write_bytes(b"[1]")
    with pytest.raises(ValueError, match=damaged):
        run(tmp_path / "run", "--method=random", "--export=keras")


@pytest.mark.slow
def test_a_finished_run_does_not_need_its_dense_training(tmp_path):
    first, _ = finished(tmp_path / "run", "--method=hybrid")
    (dense,) = (tmp_path / "dense").iterdir()
    dense.rename(tmp_path / "moved")
    again, _ = run(tmp_path / "run", "--method=hybrid")
    assert elsewhere(again) == elsewhere(first) and not dense.exists()


@pytest.mark.slow
def test_a_lost_ticket_of_a_trained_network_brings_its_dense_training_back(tmp_path):
    first, _ = finished(tmp_path / "run", "--method=hybrid")
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
    finished(tmp_path / "run", "--method=random")
    settings, _ = configure(f"--run_dir={tmp_path / 'run'}", *TINY, *SHORT, "--method=random")
    first = RunDirectory(settings.run_dir, settings.identity, "run").claim()
    with first.locked(), pytest.raises(NotOurs, match="Another process is at work"):
        run(tmp_path / "run", "--method=random")
    run(tmp_path / "run", "--method=random")


@pytest.mark.slow
def test_scratch_of_a_killed_process_is_swept_away(tmp_path, monkeypatch):
    for directory in (tmp_path / "run", tmp_path / "dense"):
        directory.mkdir()
    for name in (".tf_tickets-scratch-abcd1234", ".backup.20250101"):
        (tmp_path / "run" / name).mkdir()
    (tmp_path / "run/.tf_tickets-scratch-abcd1234" / MARK).write_text("config.json")
    until_the_ticket(tmp_path / "run", monkeypatch, "--method=random")
    assert not (tmp_path / "run/.tf_tickets-scratch-abcd1234").exists()
    assert (tmp_path / "run/.backup.20250101").exists()


ROUNDS = ("--method=lr_rewinding", "--sparsity=0.9", "--rounds=2")


@pytest.fixture(scope="module")
def rounds(beside, tmp_path_factory):
    """A finished run of two rounds, and the dense training: their folder, result and screen."""
    folder = tmp_path_factory.mktemp("rounds")
    shutil.copytree(beside("hybrid")[0].parent / "dense", folder / "dense")
    return folder, *run(folder / "run", *ROUNDS)


class TestRounds:
    """--rounds: prune, rewind, train, and again."""

    @pytest.mark.slow
    def test_iterative_magnitude_pruning_trains_between_its_rounds(self, rounds, monkeypatch):
        folder, result, screen = rounds
        first, last = (Ticket.load(folder / "run" / x / "ticket.npz") for x in ("round_00", "."))
        assert [first.kept, last.kept] == [round(TOTAL * 0.1 ** (n / 2)) for n in (1, 2)]
        assert all((b <= a).all() for a, b in zip(first.masks, last.masks, strict=True))
        assert result["kept"] == round(TOTAL * 0.1) and result["seconds"]["rounds"] > 0
        assert "2 rounds of 2 epochs sparse" in screen and "round 1 of 2" in screen
        once = ticket_of(folder / "once", monkeypatch, *ROUNDS[:2])
        assert once.kept == last.kept and once.sha256 != last.sha256

    @pytest.mark.slow
    def test_are_traced_once_and_learn(self, tmp_path, monkeypatch):
        """A trace takes seconds: one of the dense network and one of the masked serve all trainings."""
        step, traced = Steps._train_step, []
        monkeypatch.setattr(Steps, "_train_step", lambda *given: (traced.append(1), step(*given))[1])
        flags = ("--method=lr_rewinding", "--sparsity=0.8", "--rounds=2", "--epochs=1")
        result, screen = runs.run(tmp_path / "run", *flags)
        assert len(traced) == 2
        assert result["test_accuracy"] > 0.5, screen
        assert result["nonzero"] == result["kept"] == round(TOTAL * 0.2)

    @pytest.mark.slow
    def test_go_on_from_the_one_that_was_interrupted(self, rounds, tmp_path):
        folder, result, _ = rounds
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        for name in ("round_00/final.weights.h5", "ticket.npz", "final.weights.h5", "stages.json"):
            (tmp_path / "run" / name).unlink()
        again, screen = run(tmp_path / "run", *ROUNDS)
        assert again["weights_sha256"] == result["weights_sha256"]
        assert "dense training: done before" in screen

    @pytest.mark.slow
    def test_are_not_needed_by_a_finished_run(self, rounds, tmp_path):
        folder, result, _ = rounds
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        shutil.rmtree(tmp_path / "run" / "round_00")
        again, _ = run(tmp_path / "run", *ROUNDS)
        assert elsewhere({**again, "seconds": 0}) == elsewhere({**result, "seconds": 0})

    @pytest.mark.slow
    def test_of_a_score_at_the_initialisation_need_no_training(self, tmp_path, monkeypatch):
        ticket = ticket_of(tmp_path / "run", monkeypatch, "--method=snip", "--sparsity=0.9", "--rounds=4")
        assert ticket.kept == round(TOTAL * 0.1) and ticket.origin["rounds"] == 4
        assert not list(tmp_path.rglob("*.h5")), "no weights were trained"


class TestScoringData:
    @pytest.mark.slow
    def test_is_so_many_examples_of_each_class_sorted(self, tmp_path, monkeypatch):
        seen = watched_scores(monkeypatch)
        flags = ("--samples_per_class=3", "--scoring_batches=2")
        ticket_of(tmp_path / "run", monkeypatch, "--method=snip", *flags)
        assert [y.numpy().tolist() for _, y in seen[0]] == [sorted([*range(10)] * 3)] * 2
        (first, _), (second, _) = seen[0]
        assert not np.array_equal(first, second), "each batch is picked anew"
        dataset = data.load("digits")
        known = {row.tobytes() for row in dataset.train[0]}
        assert all(row.tobytes() in known for row in first.numpy()), "examples of the training set"

    @pytest.mark.slow
    def test_follows_the_seed(self, tmp_path, monkeypatch):
        seen = watched_scores(monkeypatch)
        for seed in (0, 0, 1):
            ticket_of(tmp_path / f"run{len(seen)}", monkeypatch, "--method=snip", f"--seed={seed}")
        one, same, other = (np.asarray(batches[0][0]) for batches in seen)
        assert np.array_equal(one, same) and not np.array_equal(one, other)

    def test_too_few_examples_of_a_class_are_an_error_before_work_starts(self, tmp_path):
        with pytest.raises(
            ValueError, match=r"--samples_per_class=500: a class of digits has only 1\d\d examples"
        ):
            run(tmp_path / "run", "--method=snip", "--samples_per_class=500")
        assert not (tmp_path / "run").exists()


class TestOwnScores:
    @pytest.mark.slow
    def test_a_function_of_ones_own_is_a_flag(self, tmp_path, monkeypatch):
        flags = ("--method=snip", "--score=tests.pruning.nets:magnitudes")
        ticket = ticket_of(tmp_path / "run", monkeypatch, *flags)
        config = json.loads((tmp_path / "run" / "config.json").read_text())
        assert config["score"] == "tests.pruning.nets:magnitudes"
        assert ticket.sha256 == ticket_of(tmp_path / "named", monkeypatch, "--method=magnitude").sha256

    def test_one_that_ends_the_program_is_an_error_that_names_it(self, tmp_path):
        with pytest.raises(
            RuntimeError, match=r"^--score=tests.users_scores:leaving failed: SystemExit: 0 \(.*users_"
        ):
            run(tmp_path / "run", "--method=snip", "--score=tests.users_scores:leaving")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--method=obd", "--score_options=probes=0"),
            ("--method=obd", "--score_options=curvature=fisher"),
            ("--method=grasp", "--score_options=temperature=hot"),
            ("--method=grasp", "--score_options=halves=2"),
            ("--method=snip", "--score_options=loss=mse"),
        ],
        ids=" ".join,
    )
    def test_options_of_wrong_values_are_refused_before_work_starts(self, arguments, tmp_path):
        with pytest.raises(ValueError, match=r"^--score, --score_options: (probes|curv|temp|halves|loss)"):
            run(tmp_path / "run", *arguments)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.slow
    def test_options_reach_the_score(self, tmp_path, monkeypatch):
        one = ticket_of(
            tmp_path / "one", monkeypatch, "--method=grasp", "--score_options=temperature=1,halves=false"
        )
        assert one.sha256 != ticket_of(tmp_path / "other", monkeypatch, "--method=grasp").sha256


class TestTicketsOfOnesOwn:
    @pytest.mark.slow
    def test_a_lottery_ticket_is_retrained_as_its_method_would_without_a_dense_training(
        self, beside, tmp_path
    ):
        directory, first, _ = beside("lt")
        path = directory / "ticket.npz"
        again, screen = run(tmp_path / "again", f"--ticket={path}")
        assert again["weights_sha256"] == first["weights_sha256"]
        assert (again["method"], again["sparsity"]) == ("lt", first["achieved_sparsity"])
        assert f"those of {path}" in "".join(screen.split("\n")) or "those of" in screen
        assert not (tmp_path / "dense").exists()

    @pytest.mark.slow
    def test_from_other_weights_where_the_method_says_so(self, beside):
        path = beside("random")[0] / "ticket.npz"
        tuned, _ = run(beside("lt")[0].parent / "tuned", "--method=lr_rewinding", f"--ticket={path}")
        assert tuned["method"] == "lr_rewinding" and "dense_test_accuracy" in tuned

    @pytest.mark.slow
    def test_of_another_model_is_refused_before_work_starts(self, tmp_path):
        finished(tmp_path / "first", "--method=random")
        with pytest.raises(ValueError, match="The ticket is for another model: weight 0 has shape"):
            run(tmp_path / "run", f"--ticket={tmp_path / 'first' / 'ticket.npz'}", "--model=mlp_20_16")
        assert not (tmp_path / "run").exists()

    @pytest.mark.slow
    def test_ratios_of_a_ticket_make_random_masks(self, beside, tmp_path, monkeypatch):
        path = beside("snip")[0] / "ticket.npz"
        first, ratios = Ticket.load(path), f"--ratios=ticket:{path}"
        drawn = ticket_of(tmp_path / "drawn", monkeypatch, "--method=random", "--sparsity=0.8", ratios)
        assert [x.kept for x in drawn.layers] == [x.kept for x in first.layers]
        assert drawn.sha256 != first.sha256


def elsewhere(result):
    """A result as it would be of a run in another place."""
    return {**result, "config": {**result["config"], "run_dir": "", "dense_dir": ""}}


def until_the_ticket(directory, monkeypatch, *arguments):
    """What a person sees of a run that ends where it has found its ticket."""
    settings, dataset = configure(f"--run_dir={directory}", *TINY, *SHORT, *arguments)
    screen = io.StringIO()
    show = Console(rich.console.Console(file=screen, width=120))
    with monkeypatch.context() as patch, eagerly(), pytest.raises(KeyboardInterrupt):
        patch.setattr(pipeline, "retrain", interrupted)
        pipeline.run(settings, dataset, training.make_strategy("none"), show)
    return screen.getvalue()


def ticket_of(*arguments):
    until_the_ticket(*arguments)
    return Ticket.load(arguments[0] / "ticket.npz")


def watched_scores(monkeypatch):
    """The batches of every call of SNIP, while it goes on working."""
    seen = []

    def snip(model, batches, rng):
        seen.append(batches)
        return SNIP.resolved(model, batches, rng)

    monkeypatch.setitem(SCORES, "snip", dataclasses.replace(SNIP, function=snip))
    return seen


SNIP = SCORES["snip"]
