"""Values, as command lines and people have them."""

import csv

import pytest

from tf_tickets.support.numbers import check_whole
from tf_tickets.support.options import read_pairs, written
from tf_tickets.support.words import plural


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (0.98, "0.98"),
        ("snip", "snip"),
        (range(3), "0,1,2"),
        (("a", 0.5, True), "a,0.5,True"),
        (["a,b", 'c"d'], '"a,b","c""d"'),
        ((), ""),
        ({}, ""),
        ({"decay": None, "frequency": 100}, "decay=null,frequency=100"),
    ],
)
def test_a_flags_value_is_written_as_flags_are_read(value, text):
    assert written(value) == text


def test_options_of_something_else_are_read_back_as_they_were():
    options = {"decay": None, "until": 0.75, "schedule": "cosine", "digits": "5", "nested": True}
    (parts,) = csv.reader([written(options)])
    assert read_pairs("search_options", parts) == options


@pytest.mark.parametrize("value", [True, 2.0, "2", None, 0])
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(ValueError, match=r"^rounds= is a whole number, 1 or more. Received: "):
        check_whole("rounds=", value, 1)


def test_one_is_not_several():
    assert [plural(n, "run") for n in (0, 1, 2, 1000)] == ["0 runs", "1 run", "2 runs", "1,000 runs"]
    assert [plural(n, "point") for n in ("1", "2.5", "1000")] == ["1 point", "2.5 points", "1000 points"]
    assert plural(2, "class", "classes") == "2 classes"
