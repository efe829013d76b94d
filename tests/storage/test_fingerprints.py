"""Fingerprints of files: of what is in them, taken once for each version of a file."""

import hashlib
import os

import pytest

from tf_tickets.storage import fingerprints
from tf_tickets.storage.fingerprints import fingerprint


@pytest.fixture
def readings(monkeypatch):
    """The files that are read, in turn; those just written count as settled."""
    read, found = fingerprints._hash, []
    monkeypatch.setattr(fingerprints, "_hash", lambda path: (found.append(path), read(path))[1])
    monkeypatch.setattr(fingerprints, "SECONDS_TO_SETTLE", -1.0)
    return found


def test_is_the_hash_of_the_bytes_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprints, "PIECE", 7)
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert fingerprint(tmp_path / "file") == hashlib.sha256(b"x" * 100).hexdigest()


def test_is_taken_once_for_each_version(tmp_path, readings):
    path = tmp_path / "file"
    path.write_bytes(b"a")
    assert fingerprint(path) == fingerprint(str(path)) and len(readings) == 1
    path.write_bytes(b"longer")
    assert fingerprint(path) == hashlib.sha256(b"longer").hexdigest() and len(readings) == 2


@pytest.mark.parametrize("kept", ["size", "size and time"])
def test_another_file_in_its_place_is_another_version(kept, tmp_path, readings):
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_bytes(b"a")
    other.write_bytes(b"b")
    if kept == "size and time":
        stamp = path.stat()
        os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    fingerprint(path)
    other.replace(path)
    assert fingerprint(path) == hashlib.sha256(b"b").hexdigest()


def test_a_file_that_may_change_again_within_its_time_is_read_again(tmp_path, readings, monkeypatch):
    monkeypatch.setattr(fingerprints, "SECONDS_TO_SETTLE", 1000.0)
    (tmp_path / "file").write_bytes(b"a")
    fingerprint(tmp_path / "file")
    fingerprint(tmp_path / "file")
    assert len(readings) == 2


def test_of_what_is_no_file_there_is_none(tmp_path):
    assert fingerprint(tmp_path / "nothing") is None
    (tmp_path / "file").write_bytes(b"")
    assert fingerprint(tmp_path / "file" / "inside") is None
    os.mkfifo(tmp_path / "pipe")  # whose end would be waited for
    assert fingerprint(tmp_path / "pipe") == fingerprint(tmp_path) == ""
