"""Under which names objects of the user's own are found."""

import importlib
import sys
import types

import keras
import numpy as np
import pytest

from tf_tickets.config import GROUPS, define_flags, flag_values
from tf_tickets.methods.table import METHODS
from tf_tickets.support.own_code import check_file, code_hash, name_of_object


@pytest.fixture
def main(monkeypatch, tmp_path):
    """The script that runs; a file of the user's beside it has a row."""
    (tmp_path / "their_rows.py").write_text("import keras\nstopping = keras.callbacks.EarlyStopping()\n")
    (tmp_path / "script.py").write_text("from their_rows import stopping\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = types.ModuleType("__main__")
    found.__file__ = str(tmp_path / "script.py")
    monkeypatch.setitem(sys.modules, "__main__", found)
    monkeypatch.setitem(sys.modules, "__mp_main__", found)
    yield found
    sys.modules.pop("their_rows", None)


def test_an_object_is_found_where_it_was_made_not_where_it_was_imported(main):
    import their_rows

    main.stopping = their_rows.stopping
    for abroad in (True, False):
        assert name_of_object("callback", main.stopping, abroad) == "their_rows:stopping"


@pytest.mark.slow
def test_objects_that_a_script_makes_by_one_name_are_others(main):
    hashes = set()
    for patience in (1, 1, 5):
        main.stopping = keras.callbacks.EarlyStopping(patience=patience)
        name = name_of_object("callback", main.stopping, abroad=False)
        assert name == "__main__:stopping"
        hashes.add(code_hash(name))
    assert len(hashes) == 2
    with pytest.raises(ValueError, match="cannot be imported by other processes"):
        name_of_object("callback", main.stopping, abroad=True)


def test_a_result_of_a_notebook_is_no_name(main):
    vars(main).update({"_": (row := keras.callbacks.EarlyStopping()), "_12": row, "mine": row})
    assert name_of_object("callback", row, abroad=False) == "__main__:mine"


def test_a_row_of_a_table_goes_by_its_name_there():
    values = flag_values(define_flags, {"method": METHODS["snip"]}, GROUPS, abroad=True)
    assert values.method == "snip"


@pytest.mark.parametrize("data", [(np.zeros((2, 2)), np.zeros(2)), np.zeros((2, 2))])
def test_arrays_are_no_names(data):
    with pytest.raises(ValueError, match="dataset= takes no arrays and no tables, but a name, or a function"):
        flag_values(define_flags, {"dataset": data}, GROUPS, abroad=False)


def test_a_file_that_has_changed_since_it_was_imported_is_no_longer_what_runs(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "their_net.py"
    path.write_text("def net(): return 1\n")
    before = code_hash("their_net:net")
    path.write_text("def net(): return 2  # more\n")
    with pytest.raises(ValueError, match="their_net has changed since this process has imported it"):
        code_hash("their_net:net")
    importlib.reload(sys.modules["their_net"])
    assert code_hash("their_net:net") != before
    path.write_text("def net(): return 3  # and more\n")
    inside = types.FunctionType(compile("3", "", "eval"), {})
    sys.modules["their_net"].net.__code__ = inside.__code__  # as autoreload does it
    assert code_hash("their_net:net") != before
    del sys.modules["their_net"]


class TestNamesInFiles:
    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "mine.py"
        path.write_text("import numpy as np\nfrom math import sqrt\nrow = 1\n\n\ndef net():\n    pass\n")
        return path

    @pytest.mark.parametrize("name", ["row", "net", "np", "sqrt", "row.score", "net:rearrange"])
    def test_that_are_there_pass_unread(self, file, name):
        check_file("--model", f"{file}:{name}")

    def test_that_are_not_there_are_refused_with_what_was_meant(self, file):
        with pytest.raises(ValueError, match=r"mine.py:nett': .* has no nett .* Did you mean net\?"):
            check_file("--model", f"{file}:nett")
        with pytest.raises(ValueError, match=r"no.py:net': .*no.py cannot be read \(No such file"):
            check_file("--model", f"{file.with_name('no.py')}:net")

    @pytest.mark.parametrize(
        "text", ["from os import *", "globals().update(net=1)", "def __getattr__(name): ..."]
    )
    def test_that_may_be_made_as_it_runs_pass(self, tmp_path, text):
        path = tmp_path / "made.py"
        path.write_text(text)
        check_file("--model", f"{path}:net")
