"""Holders of directories at URLs: one process at a time, and what is done about dead ones."""

import json
import os
import socket

import pytest

from tests.runs import configure
from tests.storage.recorder import DEAD, IDENTITY, directory, mark
from tests.waiting import wait_until
from tf_tickets.storage import holders, scratch_copies
from tf_tickets.storage.errors import NotOurs
from tf_tickets.storage.holders import HOLDER
from tf_tickets.storage.remote_directories import run_directory
from tf_tickets.storage.urls import same


class TestHolders:
    def test_keep_a_second_process_out_and_say_who_they_are(self, place, url):
        mark(place)
        said = r"is held by process 7 on far, since noon\. If that process is dead, add --take_over\."
        with pytest.raises(NotOurs, match=said), directory(url).claim().locked():
            pass

    def test_are_marked_while_they_work_and_not_after(self, place, url):
        with directory(url).claim().locked():
            held = json.loads((place / HOLDER).read_text())
            assert (held["host"], held["pid"]) == (socket.gethostname(), os.getpid())
        assert not (place / HOLDER).exists()

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
            monkeypatch.setattr(holders, "_sweep", "s")
        if why == "damaged, told to":
            (place / HOLDER).write_text("{")
        with directory(url, take_over="told to" in why).claim().locked():
            assert json.loads((place / HOLDER).read_text())["host"] == socket.gethostname()

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
        theirs = run_directory(other, IDENTITY)
        with run_directory(one, IDENTITY).claim().locked():
            refused = pytest.raises(NotOurs, match=r"at work in|is held by")
            with refused, theirs.claim().locked():
                pass
        assert same(*places)

    def test_are_waited_for(self, place, url):
        mark(place)
        said = []

        def waiting(holder):
            said.append(holder)
            (place / HOLDER).unlink()

        with directory(url).claim().locked(waiting):
            assert len(said) == 1 and said[0].startswith("process ")

    def test_that_fall_silent_are_not_waited_for_for_ever(self, place, url, monkeypatch):
        monkeypatch.setattr(holders, "SECONDS_OF_SILENCE", 0.1)
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
        assert json.loads((place / HOLDER).read_text())["host"] == "far"

    def test_renew_their_mark_and_push_while_they_work(self, place, url, monkeypatch):
        monkeypatch.setattr(scratch_copies, "SECONDS_BETWEEN_PUSHES", 0.02)
        ours = directory(url).claim()
        with ours.locked():
            before = json.loads((place / HOLDER).read_text())
            (ours.path / "checkpoint.npz").write_bytes(b"1")
            pushed = (place / "checkpoint.npz").exists
            wait_until(lambda: pushed() and self.beat(place) > before["beat"], "a push, and a sign of life")
            assert json.loads((place / HOLDER).read_text())["token"] == before["token"]

    @staticmethod
    def beat(place):
        try:
            return json.loads((place / HOLDER).read_text())["beat"]
        except ValueError:  # this store does not replace files as a whole
            return 0

    def test_of_a_sweep_that_was_interrupted_are_released_by_it_alone(self, place, url):
        mark(place, sweep="ours")
        holders.release(url, "theirs")
        assert (place / HOLDER).exists()
        holders.release(url, "ours")
        assert not (place / HOLDER).exists()

    def test_cannot_be_taken_over_where_there_are_none(self, tmp_path):
        with pytest.raises(ValueError, match="--take_over is for directories at URLs"):
            configure(f"--run_dir={tmp_path}", "--take_over", "--model=mlp_24_16")

    def test_that_left_a_damaged_mark_are_gone_on_from_what_lies_at_the_url(self, place, url):
        place.mkdir(parents=True)
        (place / "config.json").write_text(json.dumps(IDENTITY))
        (place / HOLDER).write_text("{")
        (place / "ticket.npz").write_bytes(b"masks")
        ours = directory(url, take_over=True).claim()
        with ours.locked():
            assert (ours.path / "ticket.npz").read_bytes() == b"masks"
