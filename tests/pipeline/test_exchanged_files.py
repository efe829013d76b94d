"""Files of a run that are exchanged, edited or damaged: noticed before they are used, or made again."""

import contextlib
import functools
import re
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import runs
from tests.fuzz.mutations import fuzz
from tests.runs import SHORT, TINY, configure
from tests.runs import short as run
from tf_tickets.pipeline import trainings
from tf_tickets.storage.atomic_files import read_json, write_json
from tf_tickets.storage.directories import DenseDirectory, RunDirectory
from tf_tickets.storage.errors import NotOurs
from tf_tickets.storage.json_rules import Unfit
from tf_tickets.storage.result_file import read_result

# Of two rounds that rewind: a run with every kind of file.
ROUNDS = ("--method=weight_rewinding", "--sparsity=0.8", "--rounds=2", "--rewind_epoch=1")
finished = functools.partial(runs.finished, by=run)
ARGUMENTS = (*ROUNDS, "--export=keras")
# What nobody reads but people, or what is written anew.
PASSING = ("tensorboard", "summary.txt", ".lock")


class Made:
    """A finished run of a seed, its directories and what they hold."""

    def __init__(self, folder, seed):
        self.result, _ = finished(folder / "run", *ARGUMENTS, f"--seed={seed}")
        (dense,) = (folder / "dense").iterdir()
        settings, _ = configure(*TINY, *SHORT, *ARGUMENTS, f"--seed={seed}")
        self.folder, self.identity = folder, settings.identity
        self.run = RunDirectory(folder / "run", settings.identity, "run")
        self.dense = DenseDirectory(dense, settings.dense_identity, "dense")
        self.files = [
            path
            for place in (self.run.path, self.dense.path)
            for path in sorted(place.rglob("*"))
            if path.is_file() and not {*path.relative_to(place).parts} & set(PASSING)
        ]

    def name(self, path):
        """Of a file, alike for all seeds."""
        return path.relative_to(self.run.path if self.run.path in path.parents else self.dense.path)

    def check(self):
        """What is asked of directories before they are used, and by who counts the run as done."""
        self.run.check()
        self.run.check_files()
        self.dense.check()
        self.dense.check_files()
        read_result(self.run.path, self.identity)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("made"), 0)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("other"), 1)


class TestEveryFileOfAFinishedRun:
    @pytest.mark.slow
    def test_is_one_of_these(self, made):
        made.check()
        assert {str(made.name(path)) for path in made.files} == {
            *("config.json", "stages.json", "result.json", "metrics.jsonl", "ticket.npz", "final.weights.h5"),
            *(f"round_00/{name}" for name in ("config.json", "stages.json", "metrics.jsonl", "ticket.npz")),
            *("round_00/final.weights.h5", "epoch_0001.weights.h5", "model.keras"),
        }

    @pytest.mark.slow
    def test_is_noticed_when_it_is_another_seeds(self, made, other):
        assert list(map(made.name, made.files)) == list(map(other.name, other.files))
        for path, others in zip(made.files, other.files, strict=True):
            with exchanged(path, others.read_bytes()), pytest.raises((NotOurs, Unfit), match=said_of(path)):
                made.check()

    @pytest.mark.slow
    @fuzz(40)
    @given(changes=st.data())
    def test_is_noticed_when_a_bit_of_it_is_flipped(self, made, changes):
        path = changes.draw(st.sampled_from(made.files))
        content, said = bytearray(path.read_bytes()), path.suffix == ".json" and read_json(path)
        content[changes.draw(st.integers(0, len(content) - 1))] ^= 1 << changes.draw(st.integers(0, 7))
        with exchanged(path, bytes(content)):
            try:
                made.check()
            except (NotOurs, Unfit) as told:
                assert re.search(said_of(path), str(told)) and "\n" not in str(told)
            else:  # The name of a seal, which then is none, or a last digit of a number that stays the same.
                assert path.name == "stages.json"
                assert content.count(b'"seal"') < len(said) or read_json(path) == said


@contextlib.contextmanager
def exchanged(path, content):
    """For the duration, a file holds something else."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def said_of(path):
    """What an error about a file says."""
    return f"{path.name}|{path.parent} belongs to another config" if path.name == "config.json" else path.name


class TestARunThatFindsAnotherFile:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "name", ["ticket.npz", "final.weights.h5", "metrics.jsonl", "round_00/ticket.npz"]
    )
    def test_says_so_and_trains_nothing(self, name, tmp_path, monkeypatch):
        finished(tmp_path / "run", *ARGUMENTS, "--seed=0")
        flip(tmp_path / "run" / name)
        monkeypatch.setattr(trainings, "_fit", None)
        with pytest.raises(
            NotOurs, match=rf"run/{name} is not what stage \w+ left there: .* Delete {tmp_path}"
        ):
            run(tmp_path / "run", *ARGUMENTS, "--seed=0")

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["final.weights.h5", "epoch_0001.weights.h5"])
    def test_in_a_dense_training_that_it_shares_says_so(self, name, tmp_path, monkeypatch):
        finished(tmp_path / "run", *ARGUMENTS, "--seed=0")
        (dense,) = (tmp_path / "dense").iterdir()
        flip(dense / name)
        monkeypatch.setattr(trainings, "_fit", None)
        with pytest.raises(NotOurs, match=rf"{dense / name} is not what stage train .* Delete {dense} to"):
            run(tmp_path / "other", "--method=lt")

    @pytest.mark.slow
    def test_of_its_result_writes_that_again(self, tmp_path):
        whole, _ = finished(tmp_path / "run", *ARGUMENTS, "--seed=0")
        write_json(tmp_path / "run" / "result.json", {**whole, "test_accuracy": 1.0})
        again, _ = run(tmp_path / "run", *ARGUMENTS, "--seed=0")
        assert again["test_accuracy"] == whole["test_accuracy"]
        assert read_json(tmp_path / "run" / "result.json") == again

    @pytest.mark.slow
    def test_from_before_files_were_hashed_goes_on_as_before(self, tmp_path):
        whole, _ = finished(tmp_path / "run", *ARGUMENTS, "--seed=0")
        for path in tmp_path.rglob("stages.json"):
            stages = read_json(path)
            stages.pop("result", None)
            new = ("hashes", "seal")
            write_json(path, {x: {a: b for a, b in y.items() if a not in new} for x, y in stages.items()})
        again, _ = run(tmp_path / "run", *ARGUMENTS, "--seed=0")
        assert again["weights_sha256"] == whole["weights_sha256"]
        _, screen = run(tmp_path / "other", "--method=weight_rewinding", "--rewind_epoch=1")
        assert "dense training: done before" in screen and "again up to epoch" not in screen


def flip(path):
    """Changes a byte of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lt", "snip"])
def test_a_directory_that_is_removed_while_it_trains_is_not_left_without_its_config(
    method, tmp_path, monkeypatch
):
    trained = tmp_path / ("dense" if method == "lt" else "run")
    begun = trainings.EpochLog.on_train_begin

    def remove(log, logs=None):
        begun(log, logs)
        shutil.rmtree(log.directory.path)

    monkeypatch.setattr(trainings.EpochLog, "on_train_begin", remove)
    with pytest.raises(NotOurs, match=rf"{trained}.* was removed while .* The same command makes it again"):
        run(tmp_path / "run", f"--method={method}", "--checkpoint_minutes=0")
    assert not [path for path in trained.rglob("*") if path.is_file()]
