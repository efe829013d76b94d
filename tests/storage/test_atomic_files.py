"""Files that are written whole or not at all."""

import os

import pytest

from tf_tickets.storage.atomic_files import read_json, replacing, write_json


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
