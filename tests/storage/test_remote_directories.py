"""Directories of runs at URLs: the same as local ones, pushed in an order that readers can trust."""

import json
import pathlib
import shutil
import socket
import tempfile

import pytest

from tests.reporting import synthetic
from tests.runs import run
from tests.storage.recorder import DEAD, Recorder, directory, mark
from tf_tickets import results
from tf_tickets.storage.atomic_files import write_json
from tf_tickets.storage.errors import NotOurs
from tf_tickets.storage.holders import HOLDER
from tf_tickets.storage.remote_directories import run_directory
from tf_tickets.storage.stores import Store


class TestARun:
    @pytest.mark.slow
    def test_is_the_same_as_in_a_local_directory(self, tmp_path, place, url, untraced):
        flags = ("--method=weight_rewinding", "--sparsity=0.8", "--rewind_epoch=1", "--batch_size=512")
        local, _ = run(tmp_path / "local", *flags)
        far, screen = run(url, *flags)
        assert far["weights_sha256"] == local["weights_sha256"]
        assert far["config"]["run_dir"] == url and far["dense_test_accuracy"] == local["dense_test_accuracy"]
        assert json.loads((place / "result.json").read_text()) == far
        assert tempfile.gettempdir() not in json.dumps(far) + screen

        def names(folder):
            files = [x.relative_to(folder) for x in folder.rglob("*") if x.is_file()]
            return {str(x) for x in files if "tensorboard" not in x.parts and not x.name.startswith(".")}

        assert names(place) == names(tmp_path / "local")
        assert names(place.parent / "dense") == names(tmp_path / "dense")
        copies = pathlib.Path(tempfile.gettempdir()).glob("tf_tickets-*/**/*")
        left = [x.name for x in copies if x.is_file()]
        assert left == [".lock"], "no copy is left behind"

        _, again = run(url, *flags)
        assert "dense training: done before" in again and "retraining: done before" in again

    def test_of_another_config_is_an_error_that_names_the_url(self, url):
        with directory(url).claim().locked():
            pass
        with pytest.raises(NotOurs, match=f"{url} belongs to another config"):
            run_directory(url, {"method": "snip"}).check()

    def test_is_found_by_the_report(self, place, url):
        synthetic.write(place, curve=(0.5, 0.6))
        far = json.loads((place / "result.json").read_text())
        (found,) = results.load(url.removesuffix("/run"))
        assert (found.path, found.status) == (url, "finished")
        assert found.result == far
        assert len(found.curve) == 2 and found.curve_problem is None
        (same,) = results.load([url, url + "/"])
        assert same.endpoint == far["test_accuracy"]
        with pytest.raises(FileNotFoundError, match="does not exist"):
            results.load(url + "s")


class TestFilesThatAStageLeft:
    def test_are_compared_where_the_copy_is_worked_in_and_told_by_the_url(self, place, url):
        ours = directory(url).claim()
        with ours.locked():
            ours.final_weights.write_bytes(b"weights")
            ours.finish("retrain", {"seconds": 1.0, "history": []}, [ours.final_weights])
        again = directory(url).claim()
        assert again.finished("retrain")  # as far as is known before it is fetched
        with again.locked():
            again.check_files()
        (place / "final.weights.h5").write_bytes(b"others")
        said = rf"{url}/final\.weights\.h5 is not what .* Delete {url} to"
        with pytest.raises(NotOurs, match=said), again.locked():
            again.check_files()

    def test_and_a_result_are_never_ahead_of_what_is_noted(self, place, url):
        ours = directory(url).claim()
        with ours.locked():
            for accuracy in (0.5, 0.6):
                Recorder.written.clear()
                ours.write_result({"test_accuracy": accuracy})
                ours.copy.push()
                assert [x for x in Recorder.written if x[0] != "."] == ["stages.json", "result.json"]

    def test_that_are_removed_with_their_folder_end_the_run_and_are_not_begun_again(self, place, url):
        ours = directory(url).claim()
        with pytest.raises(NotOurs, match="was taken over: it is held by nobody now"), ours.locked():
            shutil.rmtree(place)
            ours.finish("retrain", {"seconds": 1.0, "history": []})
        assert not place.exists()


class TestPushing:
    def test_uploads_what_speaks_of_files_after_them(self, place, url):
        ours = directory(url).claim()
        with ours.locked():
            ours.final_weights.write_bytes(b"weights")
            early = ours.round(0).claim()
            early.ticket.write_bytes(b"ticket")
            Recorder.written.clear()
            early.finish("ticket", {"seconds": 1.0}, [early.ticket])
            write_json(ours.stages, {"retrain": {"seconds": 1.0, "outputs": ["final.weights.h5"]}})
            write_json(ours.result, {})
        order = [name for name in Recorder.written if not name.startswith((".", "-"))]
        first, last = order.index("stages.json"), len(order) - 1 - order[::-1].index("stages.json")
        assert max(order.index("ticket.npz"), order.index("final.weights.h5")) < first
        assert order.index("result.json") == len(order) - 1 > last

    def test_uploads_what_stages_were_read_to_say_before(self, place, url, monkeypatch):
        """A stage that ends in the middle of an upload is not told of before its files are there."""
        ours = directory(url).claim()
        with ours.locked():
            (ours.path / "slow.bin").write_bytes(b"1")
            upload = Store.upload

            def slow(store, source, path):
                upload(store, source, path)
                if source.name == "slow.bin" and not ours.final_weights.exists():
                    ours.final_weights.write_bytes(b"weights")
                    write_json(ours.stages, {"retrain": {"outputs": ["final.weights.h5"], "seconds": 1.0}})

            monkeypatch.setattr(Store, "upload", slow)
            ours.copy.push()
            assert not (place / "stages.json").exists() and not (place / "final.weights.h5").exists()
            ours.copy.push()
            assert (place / "stages.json").exists() and (place / "final.weights.h5").exists()

    def test_uploads_only_what_has_changed_and_removes_what_is_gone(self, place, url):
        ours = directory(url).claim()
        with ours.locked():
            old, new = (ours.path / "checkpoints" / name for name in ("1.npz", "2.npz"))
            old.parent.mkdir()
            old.write_bytes(b"1")
            (ours.path / ".scratch").write_bytes(b"")
            ours.copy.push()
            new.write_bytes(b"2")
            old.unlink()
            Recorder.written.clear()
            ours.copy.push()
            assert Recorder.written == ["2.npz", "-1.npz"]
            assert [path.name for path in (place / "checkpoints").iterdir()] == ["2.npz"]
            assert not (place / ".scratch").exists()

    def test_that_fails_midway_is_made_up_for_and_at_the_end_keeps_the_copy(self, place, url):
        ours = directory(url).claim()
        said = r"cannot be written: the store is down\. Nothing is lost"
        with pytest.raises(OSError, match=said), ours.locked():
            Recorder.broken = True
            ours.final_weights.write_bytes(b"weights")
            ours.finish("retrain", {"seconds": 1.0}, [ours.final_weights])
        assert not (place / "final.weights.h5").exists()
        Recorder.broken = False
        self.die(place)
        with directory(url).claim().locked():
            pass
        assert (place / "final.weights.h5").read_bytes() == b"weights"

    def test_goes_on_from_the_copy_of_a_process_that_was_killed_here(self, place, url):
        ours = directory(url).claim()
        with ours.locked():
            (ours.path / "newest.npz").write_bytes(b"not pushed yet")
            kept = (place / HOLDER).read_bytes()
            copied = (ours.path / HOLDER).read_bytes()
        (place / "newest.npz").unlink()
        (place / HOLDER).write_bytes(kept)
        (ours.path / HOLDER).write_bytes(copied)
        (ours.path / "newest.npz").write_bytes(b"not pushed yet")
        self.die(place)
        again = directory(url).claim()
        with again.locked():
            assert (again.path / "newest.npz").read_bytes() == b"not pushed yet"

    def test_a_copy_that_others_went_on_from_is_fetched_anew(self, place, url):
        ours = directory(url).claim()
        with ours.locked():
            pass
        ours.path.mkdir(parents=True, exist_ok=True)
        (ours.path / "old.npz").write_bytes(b"of another time")
        (place / "new.npz").write_bytes(b"of another machine")
        with directory(url).claim().locked():
            assert not (ours.path / "old.npz").exists()
            assert (ours.path / "new.npz").exists()

    @staticmethod
    def die(place):
        """Makes the process that holds a place a dead one of this machine."""
        held = json.loads((place / HOLDER).read_text())
        (place / HOLDER).write_text(json.dumps({**held, "pid": DEAD}))


class TestUsersFiles:
    """Nothing that we have not put there is removed."""

    def test_stay_though_the_scratch_copy_was_the_last_to_push(self, place, url):
        ours = directory(url).claim()
        with pytest.raises(KeyboardInterrupt), ours.locked():
            (ours.path / "ticket.npz").write_bytes(b"masks")
            ours.finish("ticket", {"seconds": 1.0, "sha256": "0"}, [ours.path / "ticket.npz"])
            token = json.loads((ours.path / HOLDER).read_text())
            raise KeyboardInterrupt
        (place / "notes.txt").write_text("mine")
        mark(place, host=socket.gethostname(), pid=DEAD, token=token["token"])  # as kill -9 leaves it
        (ours.path / HOLDER).write_text(json.dumps(token))
        again = directory(url).claim()
        with again.locked():
            (again.path / "result.json").write_text("{}")
        assert (place / "notes.txt").read_text() == "mine"
        assert (place / "ticket.npz").exists() and (place / "result.json").exists()

    def test_checkpoints_that_are_done_with_are_removed(self, place, url):
        ours = directory(url).claim()
        with ours.locked():
            ours.checkpoints.mkdir()
            (ours.checkpoints / "epoch_000001_step_00000000.npz").write_bytes(b"x")
            ours.copy.push()
            assert (place / "checkpoints" / "epoch_000001_step_00000000.npz").exists()
            shutil.rmtree(ours.checkpoints)
        assert not (place / "checkpoints" / "epoch_000001_step_00000000.npz").exists()


@pytest.mark.parametrize("nowhere", ["file:///", "file://", "memory://", "memory:///"])
def test_urls_of_no_folder_are_refused(nowhere, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"names no folder|is all of a store"):
        directory(nowhere).claim()
    assert list(tmp_path.iterdir()) == []
