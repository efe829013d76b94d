"""What is compacted before it is written, and that this is said; formats whose packages are missing."""

import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.exporting.test_exporting import RUN, SUFFIX, needs
from tf_tickets.exporting import FORMATS, writers

pytestmark = pytest.mark.usefixtures("untold")


def with_dead_units():
    """A hidden layer of eight units, of which the model uses four."""
    model = nets.hide(nets.build("sequential"), keep=0.8)
    for entry, dead in zip(tt.masked_weights(model), (np.s_[:, 4:], np.s_[4:]), strict=True):
        kept = entry.mask.numpy().copy()
        kept[dead] = False
        entry.mask.set(kept)
    return model


class TestCompacted:
    @pytest.mark.slow
    @pytest.mark.parametrize("format", ["saved_model", "litert", "onnx"])  # one of each writer
    def test_is_what_is_written(self, format, tmp_path):
        needs(format)
        model = with_dead_units()
        x, _ = nets.inputs_of(model)
        written = tt.export(model, tmp_path / f"m{SUFFIX[format]}", format)
        left = 6 * 4 + 4 + 4 * 3 + 3
        assert written.notes == (f"Compacted: 4 channels are gone, {left} of 83 parameters are left.",)
        np.testing.assert_allclose(RUN[format](written, x[:1]), nets.outputs(model, x[:1]), atol=1e-5)
        zeros = sum(np.count_nonzero(~mask) for mask in nets.masks(model))
        assert (written.zeros, written.total) == (zeros, 72)  # of the model's

    @pytest.mark.slow
    def test_is_not_what_is_written_where_it_is_not_wanted(self, tmp_path):
        model = with_dead_units()
        x, _ = nets.inputs_of(model)
        written = tt.export(model, tmp_path / "m", compact=False, kernels="dense")
        assert not any("ompacted" in note for note in written.notes)
        assert [entry.shape for entry in tf.saved_model.load(written).variables if entry.shape.rank] == [8, 3]
        assert RUN["saved_model"](written, x[:1]) == pytest.approx(nets.outputs(model, x[:1]), abs=1e-5)
        zeros = sum(np.count_nonzero(~mask) for mask in nets.masks(model))
        assert (written.zeros, written.total) == (zeros, 72)

    @pytest.mark.slow
    @pytest.mark.parametrize("format", ["litert", "onnx"])
    def test_is_not_what_is_no_graph_of_layers(self, format, tmp_path):
        """Of SavedModels it is said in `test_exporting.py`."""
        needs(format)
        model = nets.hide(nets.build("subclassed"))
        x, _ = nets.inputs_of(model)
        written = tt.export(model, tmp_path / f"m{SUFFIX[format]}", format, data=x)
        assert written.notes[0].startswith("Not compacted: ")
        np.testing.assert_allclose(RUN[format](written, x[:1]), nets.outputs(model, x[:1]), atol=1e-4)

    def test_that_cannot_be_is_an_error_where_it_is_asked_for(self, tmp_path):
        model = nets.hide(nets.build("subclassed"))
        with pytest.raises(ValueError, match="backwards"):
            tt.export(model, tmp_path / "n.tflite", data=nets.inputs_of(model)[0], compact=True)
        assert not (tmp_path / "n.tflite").exists()


@pytest.mark.slow
def test_what_litert_computes_wrongly_from_sparse_layers_is_stored_with_its_zeros(tmp_path):
    """A kernel of seven to five: of this shape LiteRT's sparse kernel is wrong."""
    model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(5)])
    nets.hide(model)
    written = tt.export(model, tmp_path / "m.tflite", compact=False)
    x, _ = nets.inputs_of(model)
    np.testing.assert_allclose(RUN["litert"](written, x[:1]), nets.outputs(model, x[:1]), atol=1e-5)
    assert written.notes in (
        (),
        ("Its zeros are stored, too: of its sparse layers LiteRT computes other outputs.",),
    )


class TestPackages:
    @pytest.mark.parametrize("format", ["onnx", "openvino"])
    def test_that_are_missing_are_named_before_any_work(self, format, tmp_path, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        monkeypatch.setattr(writers, f"write_{format}", None)
        missing = " ".join(FORMATS[format].packages)
        with pytest.raises(ModuleNotFoundError, match=f"Format {format} needs .*pip install {missing}"):
            tt.export(nets.hide(nets.build("sequential")), tmp_path / f"m{SUFFIX[format]}")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.slow
    @pytest.mark.parametrize("format", ["onnx", "openvino"])
    def test_take_any_size_of_batch_and_several_inputs_and_outputs(self, format, tmp_path):
        needs(format)
        ids, images = keras.Input((6,), dtype="int32", name="ids"), keras.Input((8, 8, 2), name="images")
        words = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(30, 4)(ids))
        pooled = keras.layers.Flatten()(images)
        outputs = {
            "label": keras.layers.Dense(3)(keras.layers.Concatenate()([words, pooled])),
            "score": keras.layers.Dense(1)(pooled),
        }
        model = nets.hide(keras.Model({"ids": ids, "images": images}, outputs))
        written = tt.export(model, tmp_path / f"m{SUFFIX[format]}")
        run = FORMATS[format].run(written.path)
        rng = np.random.default_rng(0)
        for count in (1, 5):
            x = {"ids": rng.integers(0, 30, (count, 6)).astype("int32")}
            x["images"] = rng.normal(size=(count, 8, 8, 2)).astype("float32")
            expected = model(x)
            for found, name in zip(run(x), ("label", "score"), strict=True):
                np.testing.assert_allclose(found, expected[name], atol=1e-5)

    @pytest.mark.slow
    def test_do_not_take_loops_over_time_where_that_is_so(self, tmp_path):
        needs("openvino")
        model = nets.hide(keras.Sequential([keras.Input((7, 3)), keras.layers.SimpleRNN(4, name="memory")]))
        with pytest.raises(ValueError, match=r"OpenVINO does not take .*TensorList.*unroll=True: .*memory"):
            tt.export(model, tmp_path / "m.xml")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.slow
    def test_whose_outputs_differ_is_not_kept(self, tmp_path, monkeypatch):
        format = "onnx"
        needs(format)
        model = nets.hide(nets.build("sequential"))
        export = keras.Sequential.export

        def of_another(self, *args, **kwargs):
            export(self, *args, **kwargs)
            self.layers[-1].bias.assign_add([0.0, 0.0, 0.5])

        monkeypatch.setattr(keras.Model, "export", of_another)
        with pytest.raises(
            ValueError, match=r"outputs differ from the model's by up to 0.5; it was not kept"
        ):
            tt.export(model, tmp_path / f"m{SUFFIX[format]}")
        assert list(tmp_path.iterdir()) == []


class TestTheFileBeside:
    """OpenVINO's weights."""

    @pytest.mark.slow
    def test_is_replaced_with_its_model(self, tmp_path):
        needs("openvino")
        (tmp_path / "m.xml").write_bytes(b'<?xml version="1.0"?>\n<net name="m">')
        (tmp_path / "m.bin").write_bytes(b"weights of another")
        model = nets.hide(nets.build("sequential"))
        tt.export(model, tmp_path / "m.xml", overwrite=True)
        x, _ = nets.inputs_of(model)
        np.testing.assert_allclose(RUN["openvino"](tmp_path / "m.xml", x), nets.outputs(model, x), atol=1e-5)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["m.bin", "m.xml"]

    def test_that_is_a_folder_is_kept(self, tmp_path):
        (tmp_path / "m.xml").write_bytes(b'<?xml version="1.0"?>\n<net name="m">')
        (tmp_path / "m.bin").mkdir()
        with pytest.raises(FileExistsError, match=r"no openvino export: m.bin, a folder"):
            tt.export(nets.hide(nets.build("sequential")), tmp_path / "m.xml", overwrite=True)

    def test_of_somebody_else_is_kept(self, tmp_path, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
        (tmp_path / "m.bin").write_bytes(b"mine")
        for overwrite in (False, True):
            with pytest.raises(FileExistsError, match=r"m.bin exists without m.xml"):
                tt.export(nets.hide(nets.build("sequential")), tmp_path / "m.xml", overwrite=overwrite)
        assert (tmp_path / "m.bin").read_bytes() == b"mine"
