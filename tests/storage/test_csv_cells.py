"""Values in cells of CSV files: they read back exactly, and a spreadsheet takes none for a formula."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_tickets.storage import csv_cells

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4
)
ODD = (
    "=1+1",
    "+1",
    "-x",
    "@x",
    "'=1",
    "'",
    "1.5",
    "true",
    "True",
    "null",
    "[1]",
    '"a"',
    "a\nb",
    "\x1b[31m",
    "",
    "é",
    "nan",
    "-inf",
)


def through_a_file(values):
    row = {str(number): value for number, value in enumerate(values)}
    (cells,) = csv_cells.rows_of(csv_cells.table(row, [row]))
    return list(cells.values()), [csv_cells.read(cell) for cell in cells.values()]


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(VALUES, min_size=1, max_size=4))
def test_a_value_reads_back_as_itself(values):
    _, found = through_a_file(values)
    assert json.dumps(found) == json.dumps(values)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), -0.5, 1e-300])
def test_numbers_that_are_none_read_back_as_numbers(number):
    _, (found,) = through_a_file([number])
    assert found == pytest.approx(number, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_read_back_as_texts_in_one_line_and_are_no_formulas(text):
    (cell,), (found,) = through_a_file([text])
    assert found == text
    assert cell.isprintable() and not cell.startswith(csv_cells.FORMULAS)


def test_what_a_spreadsheet_shows_is_plain():
    values = ["snip", 0.98, True, None, 3, [0.5, 0.75], {"temperature": 200}]
    cells, _ = through_a_file(values)
    assert cells == ["snip", "0.98", "True", "", "3", "[0.5,0.75]", '{"temperature":200}']


@pytest.mark.parametrize("text", ["a,b\n1\n", 'a\n"1\n', "a\n\x001,2\n", ""])
def test_what_is_no_table_is_an_error(text):
    with pytest.raises(ValueError):
        csv_cells.rows_of(text)
