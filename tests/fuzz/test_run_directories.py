"""The pipeline's own files of a run: config.json and stages.json, read back to go on."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import changed_json, damaged, fuzz, read_or_refused
from tf_tickets.storage.directories import Directory, RunDirectory
from tf_tickets.storage.errors import NotOurs

IDENTITY = {
    "method": "lt",
    "sparsity": 0.9,
    "recipe": {"epochs": 3, "milestones": [0.5, 0.75]},
    "ratios": [1.0, 0.5],
}
STAGES = {
    "ticket": {"seconds": 1.5, "sha256": "00", "outputs": ["ticket.npz"]},
    "retrain": {"seconds": 2.0, "history": [{"test_accuracy": 0.5}], "outputs": []},
}


def text_of(draw, value) -> bytes:
    """The value as a damaged file."""
    if draw(st.booleans()):
        return draw(damaged(json.dumps(value).encode()))
    return draw(changed_json(value)).encode()


@pytest.mark.slow
@fuzz(150)
@given(changes=st.data())
def test_a_config_of_a_directory_is_its_own_or_refused(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("run")
    (path / "config.json").write_bytes(text_of(changes.draw, IDENTITY))
    directory = Directory(path, IDENTITY, "run")
    read_or_refused(directory.check, str(path))


@pytest.mark.slow
@fuzz(150)
@given(changes=st.data())
def test_stages_are_read_or_refused(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("run")
    (path / "stages.json").write_bytes(text_of(changes.draw, STAGES))
    directory = RunDirectory(path, IDENTITY, "run")

    def read():
        for stage in ("ticket", "retrain", "evaluate"):
            facts = directory.finished(stage)
            assert facts is None or isinstance(facts, dict)
        assert isinstance(directory.waits_for(["export_keras"]), bool)

    read_or_refused(read, str(path))


@pytest.mark.parametrize("outputs", ["../../../etc/passwd", "/etc/passwd", "a\0b", "x" * 300])
def test_an_output_is_only_looked_for(tmp_path, outputs):
    (tmp_path / "stages.json").write_text(json.dumps({"ticket": {"seconds": 1.0, "outputs": [outputs]}}))
    read_or_refused(lambda: RunDirectory(tmp_path, {}, "run").finished("ticket"), str(tmp_path))


def test_a_file_that_is_noted_is_only_looked_at_inside(tmp_path):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "run").mkdir()
    facts = {"seconds": 1.0, "outputs": [], "hashes": {"../secret": "00"}}
    (tmp_path / "run" / "stages.json").write_text(json.dumps({"other": facts}))
    with pytest.raises(NotOurs, match=r"stages\.json is damaged: .*hashes"):
        RunDirectory(tmp_path / "run", {}, "run").check_files()


NUMBERS = {
    "test_accuracy": 0.5,
    "compressed_bytes": 100,
    "weights_sha256": "00",
    "macs": None,
    "macs_kept": 3,
}


@pytest.mark.parametrize(
    ("stage", "facts"),
    [
        ("evaluate", {}),
        ("evaluate", {"numbers": True}),
        ("evaluate", {"numbers": {}}),
        *(("evaluate", {"numbers": {**NUMBERS, name: {}}}) for name in NUMBERS),
        ("evaluate", {"numbers": {**NUMBERS, "dense_test_accuracy": {}}}),
        ("ticket", {}),
        ("ticket", {"sha256": None}),
        ("ticket", {"sha256": "00", "seconds": []}),
        ("retrain", {"history": [1]}),
        ("train", {"history": [{"test_accuracy": "x"}], "compressed_bytes": 1}),
        ("train", {"history": [], "compressed_bytes": -1}),
        ("evaluate", {"numbers": {**NUMBERS, "test_accuracy": 2.0}}),
        ("evaluate", {"numbers": {**NUMBERS, "macs": 2}}),
        ("evaluate", {"numbers": {**NUMBERS, "best_test_accuracy": 0.4}}),
        ("retrain", {"history": [], "seconds": -1.0}),
        ("retrain", {"history": [], "hashes": {"../ticket.npz": "00"}}),
        ("retrain", {"history": [], "seal": "00"}),
    ],
)
def test_odd_facts_of_a_stage_are_refused_before_they_are_used(tmp_path, stage, facts):
    good = {"numbers": NUMBERS, "sha256": "00", "history": [{"test_accuracy": 1}], "compressed_bytes": 1}
    (tmp_path / "stages.json").write_text(json.dumps({stage: {"seconds": 1.0, **good}}))
    assert RunDirectory(tmp_path, {}, "run").finished(stage)
    (tmp_path / "stages.json").write_text(json.dumps({stage: {"seconds": 1.0, **facts}}))
    with pytest.raises(NotOurs, match=r"stages\.json is damaged"):
        RunDirectory(tmp_path, {}, "run").finished(stage)
