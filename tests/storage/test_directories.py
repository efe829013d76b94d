"""Directories of runs on disk: which stages count as finished."""

import pytest

from tf_tickets.storage.directories import Directory


@pytest.fixture
def directory(tmp_path):
    return Directory(tmp_path / "run", {"method": "lt"}, "run").claim()


def test_a_stage_is_finished_as_long_as_its_files_are_there(directory):
    assert directory.finished("train") is None
    files = [directory.path / name for name in ("final.weights.h5", "extra.json")]
    for file in files:
        file.write_text("{}")
    facts = {"seconds": 1.0, "compressed_bytes": 2, "history": []}
    directory.finish("train", facts, files)
    assert directory.finished("train") == {**facts, "outputs": ["final.weights.h5", "extra.json"]}
    files[1].unlink()
    assert directory.finished("train") is None


def test_a_stage_without_files_stays_finished(directory):
    directory.finish("other", {"seconds": 1.0})
    assert directory.finished("other") == {"seconds": 1.0, "outputs": []}
