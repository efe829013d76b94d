"""`tt.deployment`: what a model gains in each way to ship it. No time is promised here."""

import contextlib
import importlib.util
import json

import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tests.deployments.beside import Beside
from tests.exporting.test_compacted import with_dead_units
from tf_tickets.deployments import WAYS, Deployment, deploying, timing
from tf_tickets.deployments.shipping import Shipment
from tf_tickets.deployments.ways import FOLDED, KERAS
from tf_tickets.exporting import FORMATS
from tf_tickets.support.memory import in_words

FLOATS = [name for name in WAYS if name != "LiteRT int8"]
# The format that is timed in a process of its own, as all are for users; what is done there is the same for
# all, and is tested in `test_timing.py`; this one needs no TensorFlow, which takes the longest to load.
APART = ("ONNX",)
pytestmark = pytest.mark.usefixtures("untold")


@pytest.fixture(scope="module", autouse=True)
def briefly():
    """Two rounds of a batch each: how long something takes is asked of no test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "ROUNDS", 2)
        patch.setattr(timing, "SECONDS", 0.0)
        yield


@pytest.fixture(scope="module", autouse=True)
def few_processes(untold):
    """Of all ways to ship a model, the first of each runtime that tells how it is with one alone."""
    real, begun = timing.timekeeper_of, set()

    @contextlib.contextmanager
    def timekeeper_of(runtime, path, inputs):
        if runtime in {WAYS[name].format for name in APART} - begun:
            begun.add(runtime)
            with real(runtime, path, inputs) as found:
                yield found
        else:
            yield Beside(runtime, path, inputs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deploying, "timekeeper_of", timekeeper_of)
        yield


def here(name):
    return all(map(importlib.util.find_spec, FORMATS[WAYS[name].format].packages))


@pytest.fixture(scope="module")
def shipped():
    """A model with dead units, and its deployment in all ways that are installed."""
    model = with_dead_units()
    x, _ = nets.inputs_of(model, 50)
    y = nets.outputs(model, x).argmax(-1)
    return model, tt.deployment(model, batch=3, data=(x, np.where(np.arange(50) < 10, (y + 1) % 3, y)))


@pytest.mark.slow
class TestTheTable:
    def test_has_a_row_for_each_way_that_is_installed_and_says_what_is_not(self, shipped):
        _, found = shipped
        assert [row.name for row in found.rows] == [name for name in WAYS if here(name)]
        assert list(found.left_out) == [name for name in WAYS if not here(name)]
        assert [found.rows[i].name for i in (0, 1)] == [KERAS, FOLDED]

    def test_says_what_can_be_removed(self, shipped):
        _, found = shipped
        assert (found.batch, found.threads, found.metric) == (3, 1, "accuracy")
        assert found.channels == (4, 11)
        assert found.macs == (6 * 8 + 8 * 3, 6 * 4 + 4 * 3)
        assert "4 of 11 channels can be removed, which leaves 50.0% of the multiply-adds" in str(found)

    def test_outputs_and_accuracies_are_those_of_the_model(self, shipped):
        _, found = shipped
        assert found.accuracy == 0.8
        for row in found.rows:
            assert row.accuracy == pytest.approx(0.8, abs=0 if row.name in FLOATS else 0.1)
            assert row.error < (1e-5 if row.name in FLOATS else 0.1)

    def test_speeds_are_told_against_keras_and_against_folding_alone(self, shipped):
        _, found = shipped
        assert found[KERAS].faster == found[FOLDED].faster_than_folded == 1
        for row in found.rows:
            assert row.cpu.low <= row.cpu.median <= row.cpu.high
            assert row.wall.low <= row.wall.median <= row.wall.high
            assert row.bytes > 0 and row.faster > 0 and row.faster_than_folded > 0

    def test_is_shown_in_short_as_text_as_html_and_as_markdown(self, shipped):
        _, found = shipped
        assert len(repr(found)) < 200 and "\n" not in repr(found)
        for text in (str(found), found._repr_html_(), found.to_markdown()):
            for row in found.rows:
                assert in_words(row.bytes) in text and f"{row.cpu.median:.3g}" in text
        assert f"| {FOLDED} | " in found.to_markdown()

    def test_is_the_same_after_json(self, shipped):
        _, found = shipped
        assert Deployment.from_dict(json.loads(json.dumps(found.to_dict()))) == found

    def test_leaves_the_model_as_it_is(self, shipped):
        model, _ = shipped
        assert len(tt.masked_weights(model)) == 2

    def test_has_no_row_of_another_name(self, shipped):
        _, found = shipped
        with pytest.raises(KeyError, match=r"CoreML: it is none of Keras's export, folded dense, compact"):
            found["CoreML"]


class TestOtherModels:
    @pytest.mark.slow
    def test_a_dense_one_that_is_no_graph_says_so_and_why_it_has_no_compact_row(self):
        found = tt.deployment(nets.build("subclassed"), runtimes=["saved_model"], data=np.ones((2, 6)))
        assert [row.name for row in found.rows] == [KERAS]
        assert found.channels is found.macs is found[KERAS].faster_than_folded is None
        assert found.left_out.keys() == {FOLDED, "compact", "sparse"}
        assert all("backwards" in why for why in found.left_out.values())
        with pytest.raises(KeyError, match=r"folded dense: .*backwards"):
            found[FOLDED]
        assert found.sparsity == 0 and "The model is dense" in str(found)
        assert found.accuracy is None and "accuracy" not in str(found)


def test_a_way_that_needs_samples_says_so_where_there_are_none():
    without = Shipment(nets.build("sequential"), 1, None)
    assert deploying._why_not(WAYS["LiteRT int8"], without) == "it needs data=, sample inputs."


class TestBeforeAnyWork:
    @pytest.fixture(autouse=True)
    def no_work(self, monkeypatch):
        monkeypatch.setattr(deploying, "measured_deployment", None)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"batch": 0}, "batch is a whole number, 1 or more. Received: 0"),
            ({"runtimes": ["coreml"]}, r"runtimes=\['coreml'\]: choose from 'saved_model', 'litert', 'onnx'"),
            ({"runtimes": "onnx"}, r"runtimes='onnx': choose from .*, in a list"),
        ],
    )
    def test_what_cannot_be_is_refused(self, options, message):
        with pytest.raises(ValueError, match=message):
            tt.deployment(nets.build("sequential"), **options)

    def test_a_runtime_that_is_missing_is_an_error_where_it_was_asked_for_and_else_said(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ModuleNotFoundError, match="pip install onnx"):
            tt.deployment(nets.build("sequential"), runtimes=["onnx"])
        wanted, left_out = deploying.chosen(None)
        assert wanted == [KERAS, FOLDED, "compact", "sparse", "LiteRT", "LiteRT int8"]
        assert list(left_out) == ["ONNX", "OpenVINO"]
        assert "pip install openvino" in left_out["OpenVINO"]
