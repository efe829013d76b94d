"""Folders that cannot be read, and files that are not what a run wrote: broken, and the rest goes on."""

import json
import os
import pathlib

import pytest

from tests.reporting.synthetic import edit, write
from tf_tickets.reporting.report_directory import make
from tf_tickets.results import BROKEN, FINISHED, UNFINISHED, load
from tf_tickets.storage.directories import RunDirectory


@pytest.fixture
def runs(tmp_path):
    """A folder of two runs."""
    for seed in range(2):
        write(tmp_path / f"run-{seed}", seed=seed)
    return tmp_path


def broken(folder):
    """Name -> problem of the broken ones; the two runs beside them are finished."""
    found = load(folder)
    assert [run.path.name for run in found if run.status == FINISHED] == ["run-0", "run-1"]
    return {run.path.name: run.problem for run in found if run.status == BROKEN}


def noted(path):
    """The run, as this release writes it: with the hash of its result."""
    config = json.loads((path / "config.json").read_text())
    run = RunDirectory(path, config, "run")
    run.finish("retrain", {"seconds": 1.0, "history": []})
    run.write_result(json.loads(run.result.read_text()))
    return run


def refuse(monkeypatch, function, folder):
    """A folder that may not be entered, also of who may enter all."""
    real = getattr(os, function)

    def asked(path=".", *arguments, **options):
        if not isinstance(path, int) and folder in (pathlib.Path(path), *pathlib.Path(path).parents):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, function, asked)


class TestAFolder:
    def test_that_is_a_link_to_itself_is_broken(self, runs):
        (runs / "loop").symlink_to(runs / "loop")
        (runs / "there").symlink_to(runs / "back")
        (runs / "back").symlink_to(runs / "there")
        found = broken(runs)
        assert set(found) == {"loop", "there", "back"}
        assert all("it cannot be looked into: Too many levels of symbolic links" in x for x in found.values())

    def test_that_is_a_link_to_a_folder_above_is_read_once(self, runs):
        (runs / "up").symlink_to(runs)
        (runs / "nowhere").symlink_to(runs / "nothing")
        assert broken(runs) == {}

    @pytest.mark.parametrize("function", ["scandir", "stat"])
    def test_that_may_not_be_entered_is_broken(self, function, runs, monkeypatch):
        (runs / "private" / "deep").mkdir(parents=True)
        refuse(monkeypatch, function, runs / "private")
        assert broken(runs) == {"private": "it cannot be looked into: Permission denied"}

    def test_in_which_no_run_can_be_looked_for_is_told(self, tmp_path, monkeypatch):
        refuse(monkeypatch, "scandir", tmp_path)
        (found,) = load(tmp_path)
        assert (found.status, found.path) == (BROKEN, tmp_path)

    def test_of_a_run_without_its_config_is_broken(self, runs):
        (noted(write(runs / "lost", seed=2)).path / "config.json").unlink()
        early = noted(write(runs / "early", seed=3)).path
        (early / "config.json").unlink()
        (early / "result.json").unlink()
        assert broken(runs) == dict.fromkeys(("lost", "early"), "config.json is missing")

    def test_of_another_program_is_none(self, runs):
        (runs / "other").mkdir()
        (runs / "other" / "stages.json").write_text('{"build": {"script": "make"}}')
        (runs / "more").mkdir()
        (runs / "more" / "stages.json").write_text("{")
        assert broken(runs) == {}

    def test_of_a_dense_training_without_its_config_is_no_run(self, runs):
        dense = runs / "dense" / "0123"
        dense.mkdir(parents=True)
        (dense / "stages.json").write_text('{"train": {"seconds": 1}}')
        assert broken(runs) == {}

    @pytest.mark.parametrize("file", ["config.json", "stages.json", "result.json"])
    def test_of_a_run_whose_file_is_a_folder_or_cannot_be_read_is_broken(self, file, runs, monkeypatch):
        path = write(runs / "folder", seed=2)
        (path / file).unlink()
        (path / file).mkdir()
        refused = write(runs / "refused", seed=3) / file
        read = pathlib.Path.read_text

        def refuse_one(path, *arguments, **options):
            if path == refused:
                raise PermissionError(13, "Permission denied", str(path))
            return read(path, *arguments, **options)

        monkeypatch.setattr(pathlib.Path, "read_text", refuse_one)
        assert broken(runs) == {
            "folder": f"{file} is no file",
            "refused": f"{file} cannot be read: Permission denied",
        }

    @pytest.mark.usefixtures("unprinted")
    def test_is_one_row_of_a_report(self, runs):
        (runs / "loop").symlink_to(runs / "loop")
        _, document = make(runs, runs / "report", "Runs", 0.01, 0.05)
        (row,) = document.others.rows
        assert [cell.text for cell in row.cells][1] == BROKEN and "loop" in row.cells[0].text


class TestAResult:
    def test_that_the_run_wrote_is_read(self, runs):
        noted(write(runs / "run-2", seed=2))
        assert [run.status for run in load(runs)] == [FINISHED] * 3

    @pytest.mark.parametrize("change", [{"test_accuracy": 0.96}, {"weights_sha256": "00"}, {"more": 1}])
    def test_that_was_edited_is_broken(self, change, runs):
        edit(noted(write(runs / "edited", seed=2)).path, best_test_accuracy=0.97, **change)
        said = "result.json is not what the run wrote: it was edited, exchanged or damaged"
        assert broken(runs) == {"edited": said}

    def test_of_another_seed_is_broken(self, runs):
        one, two = (noted(write(runs / f"new-{seed}", seed=seed)) for seed in (2, 3))
        (one.path / "result.json").write_bytes((two.path / "result.json").read_bytes())
        (two.path / "stages.json").write_bytes((one.path / "stages.json").read_bytes())
        found = broken(runs)
        assert found["new-2"] == "config.json and result.json are of different runs"
        assert "stages.json: retrain is not what was written there" in found["new-3"]

    def test_that_says_otherwise_than_the_stages_is_broken(self, runs):
        """Also where no hash was noted."""
        path = write(runs / "old", seed=2, accuracy=0.9)
        numbers = {
            "test_accuracy": 0.8,
            "compressed_bytes": 1,
            "weights_sha256": "0",
            "macs": 1,
            "macs_kept": 1,
        }
        edit(path, "stages.json", evaluate={"seconds": 1.0, "numbers": numbers})
        assert broken(runs) == {"old": "result.json: test_accuracy is 0.9, in stages.json it is 0.8"}

    def test_of_which_the_stages_are_impossible_is_broken(self, runs):
        edit(write(runs / "old", seed=2), "stages.json", retrain={"seconds": -1.0, "history": []})
        assert broken(runs) == {"old": "stages.json: retrain: seconds is -1.0, not a number, 0 or more"}

    def test_that_is_not_there_yet_leaves_the_run_unfinished(self, runs):
        (noted(write(runs / "run-2", seed=2)).path / "result.json").unlink()
        (found,) = (run for run in load(runs) if run.status == UNFINISHED)
        assert found.problem == "finished so far: ticket, retrain"
