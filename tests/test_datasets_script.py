"""scripts/datasets: from lists and tables to files that runs read, with a record beside each."""

import importlib.util
import json
import pathlib
import re
import sys
import types

import numpy as np
import pandas as pd
import pytest
from absl import flags
from absl.testing import flagsaver

from tests.data.formats import word_lists
from tf_tickets import data

PROGRAM = pathlib.Path(__file__).parents[1] / "scripts" / "experiments" / "datasets.py"


@pytest.fixture
def call(monkeypatch):
    """Calls the program in this process, with arguments and flags of its own."""
    found = importlib.util.spec_from_file_location("datasets_program", PROGRAM)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    values = flags.FlagValues()
    module.define_flags(values)
    monkeypatch.setattr(module.flags, "FLAGS", values)

    def called(*arguments):
        with flagsaver.flagsaver():
            values.unparse_flags()
            return module.main(values(["datasets", *map(str, arguments)]))

    return called


def test_words_of_lists(call, tmp_path, capsys):
    lists = [f"{language}={file}" for language, file in word_lists(tmp_path).items()]
    assert call("words", tmp_path / "words.npz", *lists, "--train=4", "--test=2") == 0
    assert "words.npz: 8 examples for training and 4 for the test" in capsys.readouterr().out
    assert len(data.load(f"words:{tmp_path / 'words.npz'}").splits["test"]) == 4
    record = json.loads((tmp_path / "words.json").read_text())
    assert [row["file"] for row in record["languages"]] == ["en", "fr"]


def test_nothing_is_overwritten(call, tmp_path, capsys):
    for name in ("words.npz", "words.json"):
        (tmp_path / name).write_text("mine")
        assert call("words", tmp_path / "words.npz", "english=a", "french=b") == 1
        assert f"{name} is there already, and nothing is overwritten" in capsys.readouterr().err
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()


def test_a_table_is_read_by_rdata_which_is_named_where_it_is_not_there(call, tmp_path, monkeypatch, capsys):
    (tmp_path / "Zoo.rda").write_bytes(b"RDX2")
    monkeypatch.setitem(sys.modules, "rdata", None)
    assert call("table", tmp_path / "zoo.npz", tmp_path / "Zoo.rda") == 1
    assert "pip install rdata" in capsys.readouterr().err
    reader = types.SimpleNamespace(read_rda=lambda path: {"Zoo": pd.DataFrame({"legs": np.arange(4)})})
    monkeypatch.setitem(sys.modules, "rdata", reader)
    assert call("table", tmp_path / "zoo.npz", tmp_path / "Zoo.rda") == 1
    assert "The split of Zoo is not known" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "words FILE.npz LANGUAGE=LIST .*Received: nothing"),
        (("pictures", "x.npz"), "Received: pictures x.npz"),
        (("words", "x.npz", "english"), "LANGUAGE=FILE, each language once. Received: english"),
        (("words", "x.npz", "english=a", "english=b"), "Received: english=b"),
        (("words", "x.zip", "english=a"), "what is made is a .npz file. Received: x.zip"),
        (("words", "x.npz", "english=none", "french=none"), "No such file or directory: 'none'"),
        (("table", "x.npz"), "one .rda file. Received: none"),
    ],
)
def test_an_error_is_one_line(call, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(said, line)
    assert not list(tmp_path.iterdir())
