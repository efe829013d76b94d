"""Run directories at URLs: fetched, pushed in an order that readers can trust, held by one process."""

import json
import os
import pathlib
import shutil
import socket
import tempfile

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from tests.runs import configure, run
from tests.waiting import wait_until
from tf_tickets import results
from tf_tickets.storage import remote
from tf_tickets.storage.store import NotOurs, write_json

IDENTITY = {"method": "lt"}
DEAD = 2**22 + 1  # no process has such a number


class Recorder(LocalFileSystem):
    """A disk that keeps a list of what is written and removed, and can fail."""

    protocol = "recorder"
    written: list = []  # noqa: RUF012
    broken = False

    def put_file(self, lpath, rpath, **_):
        self._note(rpath)
        super().put_file(lpath, rpath)

    def pipe_file(self, path, value, **_):
        self._note(path)
        super().pipe_file(path, value)

    def rm_file(self, path):
        super().rm_file(path)
        self.written.append(f"-{pathlib.Path(path).name}")

    def _note(self, path):
        if Recorder.broken:
            raise OSError("the store is down")
        self.written.append(pathlib.Path(path).name)


fsspec.register_implementation("recorder", Recorder, clobber=True)


@pytest.fixture(autouse=True)
def own_scratch(tmp_path_factory, monkeypatch):
    """Scratch copies of each test, and no pauses."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("scratch")))
    monkeypatch.setattr(remote, "SECONDS_TO_SETTLE", 0.0)
    monkeypatch.setattr(remote, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(remote, "_sweep", None)
    monkeypatch.setattr(remote, "_is_local", lambda fs: type(fs) is LocalFileSystem)
    monkeypatch.setattr(Recorder, "broken", False)
    Recorder.written.clear()


@pytest.fixture
def place(tmp_path):
    return tmp_path / "store" / "run"


@pytest.fixture
def url(place):
    return f"recorder://{place}"


def directory(url, take_over=False):
    return remote.run_directory(url, IDENTITY, take_over)


def mark(place, **fields):
    """A mark of another process at a place."""
    place.mkdir(parents=True, exist_ok=True)
    held = {"host": "far", "pid": 7, "since": "noon", "sweep": None, "token": "t", "beat": 1, **fields}
    (place / remote.HOLDER).write_text(json.dumps(held))


class TestNames:
    def test_of_paths_are_left_as_they_are(self, tmp_path):
        assert type(remote.run_directory(str(tmp_path), IDENTITY)).__name__ == "RunDirectory"
        assert remote.join("runs", "a") == os.path.join("runs", "a")

    @pytest.mark.parametrize(
        ("url", "parent"),
        [
            ("s3://bucket/runs/a", "s3://bucket/runs"),
            ("s3://bucket/runs/a/", "s3://bucket/runs"),
            ("file:///tmp/a", "file:///tmp"),
            ("memory://a", "memory://"),
        ],
    )
    def test_of_urls_keep_their_slashes(self, url, parent):
        assert remote.parent(url) == parent
        assert remote.join(url, "b", "c") == f"{url.rstrip('/')}/b/c"

    def test_of_dense_trainings_lie_beside_the_run(self):
        config, _ = configure("--run_dir=s3://bucket/runs/a", "--model=mlp_24_16")
        assert config.run_dir == "s3://bucket/runs/a"
        assert config.dense_dir.startswith("s3://bucket/runs/dense/")

    def test_that_are_one_place_are_refused(self):
        with pytest.raises(ValueError, match="two directories"):
            configure("--run_dir=s3://bucket/a", "--dense_dir=s3://bucket/a/", "--model=mlp_24_16")

    def test_of_unknown_kinds_are_an_error_that_says_what_to_install(self):
        with pytest.raises(ValueError, match=r"nope://x cannot be opened: .*s3fs, gcsfs"):
            remote.View("nope://x")


class TestARun:
    def test_is_the_same_as_in_a_local_directory(self, tmp_path, place, url):
        local, _ = run(tmp_path / "local", "--method=weight_rewinding", "--sparsity=0.8", "--rewind_epoch=1")
        far, screen = run(url, "--method=weight_rewinding", "--sparsity=0.8", "--rewind_epoch=1")
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

        _, again = run(url, "--method=weight_rewinding", "--sparsity=0.8", "--rewind_epoch=1")
        assert "dense training: done before" in again and "retraining: done before" in again

    def test_of_another_config_is_an_error_that_names_the_url(self, url):
        with directory(url).claim().locked():
            pass
        with pytest.raises(NotOurs, match=f"{url} belongs to another config"):
            remote.run_directory(url, {"method": "snip"}).check()

    def test_is_found_by_the_report(self, url):
        far, _ = run(url, "--method=snip", "--sparsity=0.8")
        (found,) = results.load(url.removesuffix("/run"))
        assert (found.path, found.status) == (url, "finished")
        assert found.result == far
        (same,) = results.load([url, url + "/"])
        assert same.accuracy == far["test_accuracy"]
        with pytest.raises(FileNotFoundError, match="does not exist"):
            results.load(url + "s")


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
            upload = remote._upload

            def slow(fs, source, path):
                upload(fs, source, path)
                if source.name == "slow.bin" and not ours.final_weights.exists():
                    ours.final_weights.write_bytes(b"weights")
                    write_json(ours.stages, {"retrain": {"outputs": ["final.weights.h5"], "seconds": 1.0}})

            monkeypatch.setattr(remote, "_upload", slow)
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
            kept = (place / remote.HOLDER).read_bytes()
            copied = (ours.path / remote.HOLDER).read_bytes()
        (place / "newest.npz").unlink()
        (place / remote.HOLDER).write_bytes(kept)
        (ours.path / remote.HOLDER).write_bytes(copied)
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
        held = json.loads((place / remote.HOLDER).read_text())
        (place / remote.HOLDER).write_text(json.dumps({**held, "pid": DEAD}))


class TestUsersFiles:
    """Nothing that we have not put there is removed."""

    def test_stay_though_the_scratch_copy_was_the_last_to_push(self, place, url):
        ours = directory(url).claim()
        with pytest.raises(KeyboardInterrupt), ours.locked():
            (ours.path / "ticket.npz").write_bytes(b"masks")
            ours.finish("ticket", {"seconds": 1.0, "sha256": "0"}, [ours.path / "ticket.npz"])
            token = json.loads((ours.path / remote.HOLDER).read_text())
            raise KeyboardInterrupt
        (place / "notes.txt").write_text("mine")
        mark(place, host=socket.gethostname(), pid=DEAD, token=token["token"])  # as kill -9 leaves it
        (ours.path / remote.HOLDER).write_text(json.dumps(token))
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


class TestHolders:
    def test_keep_a_second_process_out_and_say_who_they_are(self, place, url):
        mark(place)
        said = r"is held by process 7 on far, since noon\. If that process is dead, add --take_over\."
        with pytest.raises(NotOurs, match=said), directory(url).claim().locked():
            pass

    def test_are_marked_while_they_work_and_not_after(self, place, url):
        with directory(url).claim().locked():
            held = json.loads((place / remote.HOLDER).read_text())
            assert (held["host"], held["pid"]) == (socket.gethostname(), os.getpid())
        assert not (place / remote.HOLDER).exists()

    @pytest.mark.parametrize(
        "why",
        [
            "dead process of this machine",
            "dead one that had our number",
            "dead task of this sweep",
            "told to",
            "damaged, told to",
        ],
    )
    def test_that_are_dead_are_taken_over(self, why, place, url, monkeypatch):
        mark(place)
        if why == "dead process of this machine":
            mark(place, host=socket.gethostname(), pid=DEAD)
        if why == "dead one that had our number":
            mark(place, host=socket.gethostname(), pid=os.getpid())
        if why == "dead task of this sweep":
            mark(place, sweep="s")
            monkeypatch.setattr(remote, "_sweep", "s")
        if why == "damaged, told to":
            (place / remote.HOLDER).write_text("{")
        with directory(url, take_over="told to" in why).claim().locked():
            assert json.loads((place / remote.HOLDER).read_text())["host"] == socket.gethostname()

    @pytest.mark.parametrize("fields", [{"host": None}, {"pid": "7"}, {"pid": os.getppid(), "host": "here"}])
    def test_whose_death_is_not_sure_are_not(self, fields, place, url):
        if "host" in fields and fields["host"] == "here":
            fields = {**fields, "host": socket.gethostname()}
        mark(place, **fields)
        with pytest.raises(NotOurs, match="is held by"), directory(url).claim().locked():
            pass

    @pytest.mark.parametrize("first", ["path", "url"])
    def test_of_a_path_and_of_its_url_know_each_other(self, first, tmp_path):
        path = str(tmp_path / "run")
        places = [path, f"file://{path}"]
        one, other = places if first == "path" else reversed(places)
        theirs = remote.run_directory(other, IDENTITY)
        with remote.run_directory(one, IDENTITY).claim().locked():
            refused = pytest.raises(NotOurs, match=r"at work in|is held by")
            with refused, theirs.claim().locked():
                pass
        assert remote.same(*places)

    def test_are_waited_for(self, place, url):
        mark(place)
        said = []

        def waiting(holder):
            said.append(holder)
            (place / remote.HOLDER).unlink()

        with directory(url).claim().locked(waiting):
            assert len(said) == 1 and said[0].startswith("process ")

    def test_that_fall_silent_are_not_waited_for_for_ever(self, place, url, monkeypatch):
        monkeypatch.setattr(remote, "SECONDS_OF_SILENCE", 0.1)
        mark(place)
        held = directory(url).claim().locked(lambda holder: None)
        with pytest.raises(NotOurs, match=r"has not been heard of for .*--take_over"), held:
            pass

    def test_that_are_taken_over_stop_and_leave_everything_to_the_next(self, place, url):
        ours = directory(url).claim()
        with pytest.raises(NotOurs, match="was taken over: it is held by process 7 on far"), ours.locked():
            mark(place)
            ours.final_weights.write_bytes(b"late")
            ours.finish("retrain", {"seconds": 1.0}, [ours.final_weights])
        assert not (place / "final.weights.h5").exists()
        assert json.loads((place / remote.HOLDER).read_text())["host"] == "far"

    def test_renew_their_mark_and_push_while_they_work(self, place, url, monkeypatch):
        monkeypatch.setattr(remote, "SECONDS_BETWEEN_PUSHES", 0.02)
        ours = directory(url).claim()
        with ours.locked():
            before = json.loads((place / remote.HOLDER).read_text())
            (ours.path / "checkpoint.npz").write_bytes(b"1")
            wait_until((place / "checkpoint.npz").exists, "a push")
            wait_until(lambda: self.beat(place) > before["beat"], "a renewed mark")
            assert json.loads((place / remote.HOLDER).read_text())["token"] == before["token"]

    @staticmethod
    def beat(place):
        try:
            return json.loads((place / remote.HOLDER).read_text())["beat"]
        except ValueError:  # this store does not replace files as a whole
            return 0

    def test_of_a_sweep_that_was_interrupted_are_released_by_it_alone(self, place, url):
        mark(place, sweep="ours")
        remote.release(url, "theirs")
        assert (place / remote.HOLDER).exists()
        remote.release(url, "ours")
        assert not (place / remote.HOLDER).exists()

    def test_cannot_be_taken_over_where_there_are_none(self, tmp_path):
        with pytest.raises(ValueError, match="--take_over is for directories at URLs"):
            configure(f"--run_dir={tmp_path}", "--take_over", "--model=mlp_24_16")


def test_names_at_a_url_do_not_lead_out_of_the_copy(url, monkeypatch):
    class Store:
        def invalidate_cache(self):
            pass

        def find(self, root):
            return [f"{root}/{name}" for name in ("a.json", "../b.json", "c/../../d", "e\\..\\f", ".g")]

    assert remote._names(Store(), "/store", url) == ["a.json"]
