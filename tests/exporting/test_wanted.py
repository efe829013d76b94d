"""Exports that a run is asked for: which options go to which format, and under which names."""

import importlib.util

import pytest

from tf_tickets.exporting import FORMATS
from tf_tickets.exporting.wanted import Wanted, check_wanted, wanted


def test_an_option_goes_to_the_formats_that_take_it():
    found = wanted(("keras", "litert"), {"quantize": "int8"})
    assert found == (Wanted("keras", {}), Wanted("litert", {"quantize": "int8"}))
    assert [x.name for x in found] == ["keras", "litert_int8"]
    assert [x.file for x in found] == ["model.keras", "model_int8.tflite"]


def test_without_options_names_are_those_of_before():
    found = wanted(FORMATS, {"quantize": None})
    assert [x.name for x in found] == list(FORMATS)
    assert [x.file for x in found] == [row.file for row in FORMATS.values()]


def test_several_options_go_where_they_mean_something():
    found = wanted(("saved_model", "litert"), {"quantize": "int8", "kernels": "auto"})
    assert [x.file for x in found] == ["saved_model_auto", "model_int8.tflite"]


def test_an_option_that_no_format_takes_is_refused():
    check_wanted(["keras", "litert"], {"quantize": "int8"})
    with pytest.raises(ValueError, match=r"^--quantize=int8 means nothing to --export=keras: .*litert\.$"):
        check_wanted(["keras"], {"quantize": "int8"})


def test_a_format_whose_packages_are_missing_is_refused(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_wanted(["keras", "litert"], {})
    with pytest.raises(ValueError, match=r"^--export=keras,onnx: Format onnx needs .*pip install onnx onnx"):
        check_wanted(["keras", "onnx"], {})
