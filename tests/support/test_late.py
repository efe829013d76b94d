"""Names that are resolved late, of modules of ours and of a user's."""

import re
import sys

import pytest

from tf_tickets.support.late import check_not_imported, late, resolve


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Makes a module of a user's, of a name that no other test has."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


@pytest.mark.parametrize("code", ["", "0", "3", "'no'"])
def test_a_module_that_ends_the_program_is_an_error_that_names_it(script, tmp_path, code):
    name = script("a_script_without_a_guard", f"import sys\n\nsys.exit({code})\n")
    said = re.escape(f"{tmp_path / name}.py, line 3, ends the program (SystemExit: ")
    with pytest.raises(ImportError, match=rf"^{said}.*if __name__ == '__main__':"):
        resolve(f"{name}:score")


def test_what_else_a_module_raises_passes_through(script):
    with pytest.raises(ZeroDivisionError):
        late(f"{script('a_script_that_divides', '1 / 0')}:score")()


def test_a_call_that_a_module_makes_while_it_is_imported_is_refused(script):
    ours = "from tf_tickets.support.late import check_not_imported\n\ncheck_not_imported('tt.sweep')\n"
    name = script("a_script_that_sweeps", f"{ours}score = len\n")
    with pytest.raises(RuntimeError, match=f"^{name} calls tt.sweep while it is imported .*'__main__'"):
        resolve(f"{name}:score")
    check_not_imported("tt.sweep")  # and nothing is left of it
