"""Files that are written whole or not at all."""

import os

import pytest

from tf_tickets.storage import atomic_files
from tf_tickets.storage.atomic_files import MARK, read_json, remove_scratch, replacing, write_json


def test_a_reader_sees_the_old_content_until_all_of_the_new_is_there(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"seed": 0})
    with replacing(path) as new:
        new.write_text('{"seed"')
        assert read_json(path) == {"seed": 0}
        new.write_text('{"seed": 1}')
    assert read_json(path) == {"seed": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_what_fails_half_way_leaves_no_trace(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"seed": 0})
    with pytest.raises(RuntimeError), replacing(path) as new:
        new.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"seed": 0}
    assert os.listdir(tmp_path) == ["a.json"]


def test_the_content_is_on_the_disk_before_it_has_the_name(tmp_path, monkeypatch):
    synced = []

    def noting(descriptor):
        synced.append((os.fstat(descriptor).st_ino, (tmp_path / "a.json").exists()))

    monkeypatch.setattr(os, "fsync", noting)
    write_json(tmp_path / "a.json", {"seed": 0})
    assert synced == [((tmp_path / "a.json").stat().st_ino, False)]


class Killed(BaseException):
    """What leaves everything as a killed process leaves it."""


@pytest.fixture
def killable(monkeypatch):
    """Of `replacing`, what happens when its process is killed: nothing is removed."""
    monkeypatch.setattr(atomic_files, "_remove", lambda scratch: None)
    yield
    monkeypatch.undo()


class TestLeftovers:
    def test_of_killed_processes_are_removed(self, tmp_path, killable, monkeypatch):
        (tmp_path / "round_00").mkdir()
        for path in (tmp_path / "a.json", tmp_path / "round_00/b.json"):
            with pytest.raises(Killed), replacing(path) as new:
                new.write_text("half")
                raise Killed
        monkeypatch.undo()
        assert len(list(tmp_path.rglob("*.json"))) == 2
        remove_scratch(tmp_path)
        assert sorted(os.listdir(tmp_path)) == ["round_00"] and os.listdir(tmp_path / "round_00") == []

    def test_give_back_a_folder_that_was_about_to_be_replaced(self, tmp_path, killable, monkeypatch):
        path = tmp_path / "export"
        path.mkdir()
        (path / "old").write_text("old")

        def killed(self, target):
            if self.parent.name.startswith(".tf_tickets"):
                raise Killed
            os.replace(self, target)

        monkeypatch.setattr(type(path), "replace", killed)
        with pytest.raises(Killed), replacing(path) as new:
            new.mkdir()
        monkeypatch.undo()
        assert not path.exists()
        remove_scratch(tmp_path)
        assert (path / "old").read_text() == "old"
        assert os.listdir(tmp_path) == ["export"]

    @pytest.mark.parametrize(
        "name",
        [".backup.20250101", ".a.json.abcdefgh", ".tf_tickets-scratch-abcdefgh", ".tf_tickets-scratch"],
    )
    def test_of_somebody_else_stay(self, tmp_path, name):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.tex").write_text("words")
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / MARK).write_text("words")
        remove_scratch(tmp_path)
        assert (tmp_path / name / "thesis.tex").exists() and (tmp_path / "elsewhere" / MARK).exists()
