"""Splits the CPU before any test module is collected: some run TensorFlow as they are imported.

And names the tests that should be marked slow: `./scripts/test --quick` is quick as long as they are.
"""

import collections
import gc
import os
import resource
import sys
import tracemalloc

import pytest
from hypothesis import settings

from tf_tickets.support.startup import default_threads

# A busy machine is no fault.
settings.register_profile("any pace", deadline=None)
settings.load_profile("any pace")

# What --quick gives pytest's -m.
QUICK = "not slow"
# CPU seconds of a test, its processes' included, from which on it is marked slow.
SLOW = 0.5
_SECONDS = "CPU seconds"
_unmarked = {}


def pytest_configure(config):
    """Not where other processes run the tests: they need not wait until TensorFlow is loaded here too."""
    if "PYTEST_XDIST_WORKER" in os.environ or not config.getoption("numprocesses", None):
        gc.disable()  # until all is imported, of which nothing is garbage

        import tests.replicas  # noqa: F401


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Of `-n logical`: one for each core, and one more for slow tests, which wait for disks and processes."""
    return default_threads() + (config.option.markexpr != QUICK)


def pytest_collection_modifyitems(items):
    """Files of few tests come first: theirs are dear, and short ones let all processes end together."""
    tests = collections.Counter(item.path for item in items)
    items.sort(key=lambda item: (tests[item.path], item.path))


def pytest_collection_finish():
    """What is imported stays: whoever collects garbage, or looks for what was traced, passes over it."""
    gc.collect()
    gc.freeze()
    gc.enable()


def cpu_seconds():
    """Of this process and of those of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@pytest.fixture(scope="module", autouse=True)
def forgotten():
    """What TensorFlow and Keras keep of a file's models, after it: it would make all later tests dearer.

    What is kept of the files before all the same, in caches and by what they have imported, is passed over.
    """
    gc.freeze()
    yield
    # It would make whatever allocates two to four times as dear, and count what comes before a test, too.
    assert not tracemalloc.is_tracing(), "a test of this file has left tracemalloc on"
    if "keras" in sys.modules:
        from tf_tickets.support.sessions import clear_session

        clear_session()


@pytest.fixture
def untraced():
    """Runs all functions eagerly: for a few steps of a tiny network, tracing takes longer than the steps."""
    from tf_tickets.pruning.stateless import functions_run

    with functions_run(eagerly=True):
        yield


@pytest.fixture
def unprinted(monkeypatch):
    """Figures are drawn, with captions and legends, but not made into pictures, which takes the longest."""
    from xml.etree import ElementTree

    from tf_tickets.reporting.figures import composition

    monkeypatch.setattr(composition, "svg_of", lambda figure, prefix: ElementTree.Element("svg"))
    monkeypatch.setattr(composition.paper, "draw", lambda panels, handles, size: ("<svg/>", b""))


@pytest.fixture(scope="module")
def untold():
    """OpenVINO tells its makers of each conversion, in a process of its own; not where CI says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CI", "true")
        yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    began = cpu_seconds()
    try:
        return (yield)
    finally:
        item.user_properties.append((_SECONDS, cpu_seconds() - began))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item):
    began = cpu_seconds()
    try:
        return (yield)
    finally:
        item.user_properties.append((_SECONDS, cpu_seconds() - began))


def pytest_runtest_logreport(report):
    """Of every test, whichever process ran it."""
    if report.when == "teardown" and "slow" not in report.keywords:
        seconds = sum(value for name, value in report.user_properties if name == _SECONDS)
        if seconds > SLOW:
            _unmarked[report.nodeid] = seconds


def pytest_terminal_summary(terminalreporter):
    if _unmarked:
        terminalreporter.section(f"more than {SLOW:g} CPU seconds: mark as slow, or make cheaper")
        for name, seconds in sorted(_unmarked.items(), key=lambda pair: -pair[1]):
            terminalreporter.line(f"{seconds:5.1f} s  {name}")
