"""Directories of runs on disk: which stages count as finished, and whether their files are what they left."""

import json
import shutil

import pytest

from tf_tickets.storage.atomic_files import read_json, write_json
from tf_tickets.storage.directories import DenseDirectory, Directory, RunDirectory
from tf_tickets.storage.errors import NotOurs
from tf_tickets.storage.result_file import read_stages

FACTS = {"seconds": 1.0, "compressed_bytes": 2, "history": []}


@pytest.fixture
def directory(tmp_path):
    return Directory(tmp_path / "run", {"method": "lt"}, "run").claim()


@pytest.fixture
def trained(directory):
    """A directory with a finished stage, its file and one more."""
    directory.final_weights.write_text("weights")
    directory.metrics.write_text("metrics")
    directory.finish("train", FACTS, [directory.final_weights], [directory.metrics])
    return directory


def as_of_before(directory):
    """Makes its stages.json what older releases wrote: without hashes."""
    stages = read_json(directory.stages)
    old = [{x: y for x, y in facts.items() if x not in ("hashes", "seal")} for facts in stages.values()]
    write_json(directory.stages, dict(zip(stages, old, strict=True)))


class TestFinished:
    def test_is_a_stage_as_long_as_its_files_are_there(self, directory):
        assert directory.finished("train") is None
        files = [directory.path / name for name in ("final.weights.h5", "extra.json")]
        for file in files:
            file.write_text("{}")
        directory.finish("train", FACTS, files)
        found = directory.finished("train")
        assert found.items() >= FACTS.items() and found["outputs"] == ["final.weights.h5", "extra.json"]
        files[1].unlink()
        assert directory.finished("train") is None

    def test_is_a_stage_without_files(self, directory):
        directory.finish("other", {"seconds": 1.0})
        assert directory.finished("other")["seconds"] == 1.0

    def test_is_a_stage_whose_other_files_are_gone(self, trained):
        trained.metrics.unlink()
        assert trained.finished("train")

    def test_is_no_stage_of_whose_folder_a_file_is_gone(self, directory):
        folder = directory.path / "saved_model"
        (folder / "variables").mkdir(parents=True)
        (folder / "variables" / "index").write_text("1")
        directory.finish("export_saved_model", {"seconds": 1.0}, [folder])
        (folder / "variables" / "index").unlink()
        assert directory.finished("export_saved_model") is None

    def test_is_no_stage_that_is_begun_again(self, trained):
        trained.begin("train", [trained.final_weights])
        assert trained.finished("train") is None


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("nowhere/x")])
def test_a_folder_in_which_nothing_can_be_locked_is_left_as_it_is(tmp_path, make):
    make(tmp_path / ".lock")
    with pytest.raises(NotOurs, match=r"\.lock is no file that can be locked\. Choose another --run_dir"):
        Directory(tmp_path, {"method": "lt"}, "run").claim()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


class TestFilesThatAStageLeft:
    @pytest.mark.parametrize("name", ["final.weights.h5", "metrics.jsonl"])
    @pytest.mark.parametrize("ask", ["finished", "checked", "check_files"])
    def test_are_told_when_they_are_others(self, ask, name, trained):
        (trained.path / name).write_text("others")
        arguments = {"finished": ["train"], "checked": [trained.path / name], "check_files": []}[ask]
        with pytest.raises(NotOurs) as told:
            getattr(trained, ask)(*arguments)
        assert str(told.value) == (
            f"{trained.path / name} is not what stage train left there: it was edited, exchanged or damaged. "
            f"{trained.remedy}"
        )

    def test_are_only_looked_for_where_contents_are_not_there_to_be_looked_at(self, trained):
        trained.final_weights.write_text("")
        assert trained.noted("train")
        trained.check_files(contents=False)

    def test_in_a_folder_stand_beside_files_of_the_user(self, directory):
        folder = directory.path / "saved_model"
        folder.mkdir()
        (folder / "saved_model.pb").write_text("model")
        directory.finish("export_saved_model", {"seconds": 1.0}, [folder])
        (folder / "notes.txt").write_text("mine")
        assert directory.finished("export_saved_model")
        (folder / "saved_model.pb").write_text("other")
        with pytest.raises(NotOurs, match=r"saved_model\.pb is not what stage export_saved_model left"):
            directory.finished("export_saved_model")

    def test_may_be_written_again_by_another_stage(self, trained):
        trained.begin("again", [trained.metrics])
        trained.metrics.write_text("of another stage")
        trained.finish("again", {"seconds": 1.0}, [trained.metrics])
        trained.check_files()

    def test_are_nobodys_while_they_are_written_again(self, trained):
        """The process may be killed then."""
        trained.begin("train", [trained.final_weights, trained.metrics])
        trained.final_weights.write_text("half")
        trained.check_files()
        assert trained.finished("train") is None

    def test_of_older_releases_are_what_they_are(self, trained):
        as_of_before(trained)
        trained.final_weights.write_text("others")
        assert trained.finished("train") == {**FACTS, "outputs": ["final.weights.h5"]}
        assert trained.checked(trained.final_weights) == trained.final_weights
        trained.check_files()

    def test_of_rounds_are_asked_of_their_run(self, tmp_path):
        run = RunDirectory(tmp_path / "run", {"method": "lt"}, "run").claim()
        early = run.round(0).claim()
        early.ticket.write_text("ticket")
        early.finish("ticket", {"seconds": 1.0, "sha256": "0"}, [early.ticket])
        run.check_files()
        early.ticket.write_text("other")
        with pytest.raises(NotOurs, match=r"round_00/ticket\.npz is not what stage ticket left"):
            run.check_files()


class TestFactsOfAStage:
    @pytest.mark.parametrize(
        "change", [{"seconds": 2.0}, {"compressed_bytes": 3}, {"hashes": {}}, {"new": 1}]
    )
    def test_are_told_when_they_are_edited(self, change, trained):
        stages = read_json(trained.stages)
        write_json(trained.stages, {"train": {**stages["train"], **change}})
        with pytest.raises(NotOurs, match=r"stages\.json is damaged: .*train is not what was written there"):
            trained.finished("train")

    def test_are_told_when_they_are_another_directorys(self, trained, tmp_path):
        other = Directory(tmp_path / "other", {"method": "snip"}, "run").claim()
        shutil.copy(trained.stages, other.stages)
        with pytest.raises(NotOurs, match="train is not what was written there"):
            other.finished("train")

    def test_do_not_depend_on_how_a_number_is_written(self, tmp_path):
        Directory(tmp_path, {"sparsity": 0}, "run").claim().finish("train", FACTS)
        assert Directory(tmp_path, {"sparsity": 0.0}, "run").finished("train")

    @pytest.mark.parametrize(
        "facts",
        [
            {"seconds": -1.0},
            {"history": [{"test_accuracy": 1.5}]},
            {"history": [{"test_accuracy": 0.5, "density": -0.1}]},
            {"compressed_bytes": -1},
            {"hashes": {"../../passwd": "0"}},
            {"hashes": {"/etc/passwd": "0"}},
        ],
    )
    def test_that_cannot_be_are_refused(self, facts, directory):
        write_json(directory.stages, {"train": {**FACTS, **facts}})
        with pytest.raises(NotOurs, match=r"stages\.json is damaged"):
            directory.finished("train")


class TestAResult:
    @pytest.fixture
    def run(self, tmp_path):
        return RunDirectory(tmp_path / "run", {"method": "lt"}, "run").claim()

    @staticmethod
    def known(run):
        noted = read_stages(run.path, run.identity)["result"]
        return [*noted["hashes"].values(), *noted["earlier"]]

    def test_is_noted_before_it_is_written(self, run, monkeypatch):
        """So that who reads it, or is killed, at any moment finds one that is known."""
        from tf_tickets.storage import directories
        from tf_tickets.storage.fingerprints import fingerprint

        run.write_result({"test_accuracy": 0.5})
        before = fingerprint(run.result)
        monkeypatch.setattr(directories, "write_text", lambda path, text: None)
        run.write_result({"test_accuracy": 0.6})
        assert before in self.known(run)
        monkeypatch.undo()
        run.write_result({"test_accuracy": 0.6})
        assert json.loads(run.result.read_text()) == {"test_accuracy": 0.6}
        assert fingerprint(run.result) in self.known(run)

    def test_that_was_edited_is_written_again(self, run):
        run.write_result({"test_accuracy": 0.5})
        run.result.write_text('{"test_accuracy": 0.9}')
        run.check_files()
        run.write_result({"test_accuracy": 0.5})
        assert json.loads(run.result.read_text()) == {"test_accuracy": 0.5}

    def test_that_is_the_same_again_is_left_alone(self, run):
        run.write_result({"test_accuracy": 0.5})
        before = [path.stat().st_mtime_ns for path in (run.result, run.stages)]
        run.write_result({"test_accuracy": 0.5})
        assert [path.stat().st_mtime_ns for path in (run.result, run.stages)] == before


class TestEpochsOfADenseTraining:
    @pytest.fixture
    def dense(self, tmp_path):
        dense = DenseDirectory(tmp_path / "dense", {"seed": 0}, "dense").claim()
        for path in (dense.final_weights, dense.epoch_weights(1)):
            path.write_text("weights")
        dense.finish("train", FACTS, [dense.final_weights], dense.kept_epochs)
        return dense

    def test_are_there_with_it(self, dense):
        assert dense.holds_epoch(1) and not dense.holds_epoch(2)
        dense.epoch_weights(1).write_text("others")
        with pytest.raises(NotOurs, match=r"epoch_0001\.weights\.h5 is not what stage train left"):
            dense.check_files()

    def test_that_are_gone_do_not_make_it_unfinished(self, dense):
        dense.epoch_weights(1).unlink()
        assert dense.finished("train") and not dense.holds_epoch(1)

    def test_that_are_added_count_from_when_they_are_noted(self, dense):
        dense.epoch_weights(2).write_text("of a process that was killed then")
        assert not dense.holds_epoch(2)
        dense.finish("epoch_0002", {"seconds": 1.0}, [dense.epoch_weights(2)])
        assert dense.holds_epoch(2)

    def test_of_older_releases_are_what_they_are(self, dense):
        as_of_before(dense)
        dense.epoch_weights(2).write_text("weights")
        assert dense.holds_epoch(1) and dense.holds_epoch(2)


class TestADirectoryThatIsRemovedWhileItIsWorkedIn:
    def test_is_not_begun_again_from_the_midst(self, directory):
        shutil.rmtree(directory.path)
        with pytest.raises(NotOurs, match=r"was removed while .* at work in it\. The same command"):
            directory.finish("train", FACTS)
        assert not directory.path.exists()

    def test_says_whose_it_is_again_where_that_alone_is_gone(self, directory):
        directory.config.unlink()
        directory.finish("train", FACTS)
        directory.check()
        assert read_json(directory.config) == directory.identity


class TestADirectoryThatCannotBeRead:
    def test_as_a_link_to_itself_is_refused(self, tmp_path):
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        with pytest.raises(NotOurs, match=r"loop cannot be read: .*links\. Choose another --run_dir"):
            Directory(tmp_path / "loop", {}, "run").check()

    def test_for_who_asks_is_refused(self, directory, monkeypatch):
        def refuse(path, *_, **__):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("os.stat", refuse)
        with pytest.raises(NotOurs, match=r"run cannot be read: Permission denied\. Choose"):
            directory.check()

    def test_since_its_config_is_gone_names_it_and_the_flag_that_is_asked_for(self, trained):
        trained.config.unlink()
        again = Directory(trained.path, trained.identity, "run", "--runs_dir")
        with pytest.raises(NotOurs, match=r"config\.json is missing\. Delete .* another --runs_dir"):
            again.check()
