"""Scratch copies of each test, no pauses, and a place in a store that keeps a list."""

import tempfile

import pytest
from fsspec.implementations.local import LocalFileSystem

from tests.storage.recorder import Recorder
from tf_tickets.storage import holders, stores


@pytest.fixture(autouse=True)
def own_scratch(tmp_path_factory, monkeypatch):
    """Scratch copies of each test, and no pauses."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("scratch")))
    monkeypatch.setattr(holders, "SECONDS_TO_SETTLE", 0.0)
    monkeypatch.setattr(holders, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(holders, "_sweep", None)
    monkeypatch.setattr(stores, "_is_disk", lambda fs: type(fs) is LocalFileSystem)
    monkeypatch.setattr(Recorder, "broken", False)
    Recorder.written.clear()


@pytest.fixture
def place(tmp_path):
    return tmp_path / "store" / "run"


@pytest.fixture
def url(place):
    return f"recorder://{place}"
