"""What an export replaces: an export of its format, and never a byte of somebody else's."""

import os
import pathlib
import zipfile

import keras
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tf_tickets.exporting.formats import FORMATS
from tf_tickets.exporting.replacement import check_place

PATHS = {
    "saved_model": "out",
    "keras": "out.keras",
    "litert": "out.tflite",
    "onnx": "out.onnx",
    "openvino": "out.xml",
}


# How files of each format begin; that real ones do is seen where they are written (`test_exporting.py`).
BEGINNINGS = {
    "litert": b"\0\0\0\0TFL3",
    "onnx": b"\x08\x08\x12\x07",
    "openvino": b'<?xml version="1.0"?>\n<net name="m">',
}


@pytest.fixture(scope="module")
def model():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="head")])
    tt.prune(model, "magnitude", 0.5)
    return model


@pytest.fixture(scope="module")
def exports(model, tmp_path_factory):
    """What is of each format; a SavedModel and a Keras file are real ones."""
    folder = tmp_path_factory.mktemp("exports")
    tt.export(model, folder / PATHS["saved_model"], kernels="dense", compact=False)
    tt.export(model, folder / PATHS["keras"])
    for format, beginning in BEGINNINGS.items():
        (folder / PATHS[format]).write_bytes(beginning)
    return folder


def tree(folder):
    """Every name below a folder, with what it holds."""
    return {
        path.relative_to(folder).as_posix(): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


class TestAnExport:
    @pytest.mark.parametrize("format", PATHS)
    def test_is_replaced(self, exports, format):
        path = exports / PATHS[format]
        assert check_place(path, format, overwrite=True) == path

    @pytest.mark.slow
    def test_is_replaced_by_one_with_files_of_its_own(self, tmp_path):
        words = tmp_path / "words.txt"
        words.write_text("a\nb\n")
        table = tf.lookup.StaticVocabularyTable(
            tf.lookup.TextFileInitializer(
                str(words),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            1,
        )
        module = tf.Module()
        module.table = table
        module.serve = tf.function(table.lookup, input_signature=[tf.TensorSpec((None,), tf.string)])
        tf.saved_model.save(module, tmp_path / "out")
        assert (tmp_path / "out/assets/words.txt").exists()
        check_place(tmp_path / "out", "saved_model", overwrite=True)
        (tmp_path / "out/assets/mine.txt").write_text("mine")
        with pytest.raises(FileExistsError, match=r"assets/mine\.txt"):
            check_place(tmp_path / "out", "saved_model", overwrite=True)

    @pytest.mark.parametrize("format", PATHS)
    @pytest.mark.parametrize("other", PATHS)
    def test_of_another_format_is_not(self, exports, format, other):
        if format != other:
            with pytest.raises(FileExistsError, match=f"holds what is no {format} export"):
                check_place(exports / PATHS[other], format, overwrite=True)

    def test_is_written_where_a_link_leads(self, model, exports, tmp_path):
        tt.export(model, tmp_path / "v1.keras")
        (tmp_path / "latest.keras").symlink_to("v1.keras")
        before = (tmp_path / "v1.keras").stat().st_ino
        tt.export(model, tmp_path / "latest.keras", overwrite=True)
        assert (tmp_path / "latest.keras").is_symlink()
        assert (tmp_path / "v1.keras").stat().st_ino != before

    def test_may_go_into_an_empty_folder(self, tmp_path):
        assert check_place(tmp_path, "saved_model", overwrite=True) == tmp_path


class TestOthersFiles:
    @pytest.mark.parametrize("format", PATHS)
    def test_in_a_folder_are_kept(self, model, tmp_path, format):
        folder = tmp_path / PATHS[format]
        (folder / "other").mkdir(parents=True)
        (folder / "results.csv").write_text("1")
        before = tree(tmp_path)
        with pytest.raises(FileExistsError, match="is not replaced, since it holds"):
            tt.export(model, folder, format, overwrite=True)
        assert tree(tmp_path) == before

    @pytest.mark.parametrize("format", PATHS)
    @pytest.mark.parametrize("content", [b"", b"notes", b"PK\x03\x04"])
    def test_with_the_name_of_an_export_are_kept(self, tmp_path, format, content):
        path = tmp_path / PATHS[format]
        path.write_bytes(content)
        with pytest.raises(FileExistsError, match=f"no {format} export"):
            check_place(path, format, overwrite=True)

    def test_an_archive_of_another_kind_is_kept(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "out.keras", "w") as archive:
            archive.writestr("thesis.tex", "words")
        with pytest.raises(FileExistsError, match="a file of another kind"):
            check_place(tmp_path / "out.keras", "keras", overwrite=True)

    @pytest.mark.parametrize("format", PATHS)
    def test_a_link_that_leads_to_itself_is_kept(self, tmp_path, format):
        path = tmp_path / PATHS[format]
        path.symlink_to(path)
        with pytest.raises(FileExistsError, match=f"holds what is no {format} export"):
            check_place(path, format, overwrite=True)

    @pytest.mark.parametrize("path", [".", "..", "../.."])
    def test_the_current_folder_and_those_around_it_are_kept(self, tmp_path, monkeypatch, path):
        (tmp_path / "a/b").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "a/b")
        with pytest.raises(FileExistsError, match="is the current folder, or holds it"):
            check_place(pathlib.Path(path), "saved_model", overwrite=True)

    @pytest.mark.slow
    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        names=st.lists(
            st.lists(
                st.sampled_from(
                    [
                        "a",
                        "variables",
                        "assets",
                        "assets.extra",
                        ".git",
                        "saved_model.pb",
                        "variables.index",
                        "x.data-00000-of-00001",
                    ]
                ),
                min_size=1,
                max_size=3,
            ).map("/".join),
            min_size=1,
            max_size=4,
        ),
        beside=st.booleans(),
    )
    @example(names=["variables/variables.data-00000-of-00002"], beside=True)
    def test_of_any_names_are_kept(self, exports, tmp_path_factory, names, beside):
        """Alone, or beside an export, whose own files only a change of theirs could hide."""
        folder = tmp_path_factory.mktemp("any") / "out"
        own = tree(exports / "out") if beside else {}
        for name, content in own.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).mkdir(exist_ok=True) if content is None else (folder / name).write_bytes(content)
        foreign = False
        for name in names:
            path = folder / name
            if path.exists() or any(parent.is_file() for parent in path.parents):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"mine")
            foreign = True
        before = tree(folder)
        if foreign:
            with pytest.raises(FileExistsError, match="holds what is no saved_model export"):
                check_place(folder, "saved_model", overwrite=True)
        assert tree(folder) == before


def test_every_format_says_what_is_foreign_to_it():
    assert set(PATHS) == set(FORMATS)
