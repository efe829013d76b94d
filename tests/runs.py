"""Small runs of the pipeline in this process, for tests."""

import atexit
import contextlib
import copy
import functools
import io
import pathlib
import shutil
import tempfile

import rich.console
from absl import flags
from absl.testing import flagsaver

from tf_tickets import config, data, pipeline, training
from tf_tickets.pruning.stateless import functions_run
from tf_tickets.support.console import Console

# A perceptron that trains in a second on the digits.
TINY = ("--model=mlp_24_16", "--epochs=3", "--batch_size=64", "--export=", "--threads=2")
# Two steps an epoch.
SHORT = ("--epochs=2", "--batch_size=720")


@contextlib.contextmanager
def parsed(*arguments: str):
    """The flags of tf_tickets.run, parsed from the arguments and from nothing else."""
    config.define_flags()
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver():
        flags.FLAGS.unparse_flags()
        flags.FLAGS(["run", *arguments])
        yield flags.FLAGS


def configure(*arguments: str) -> tuple[config.Config, data.Dataset]:
    """The Config that a command line gives, and its dataset."""
    with parsed(*arguments) as values:
        config.check_flags(values)
        dataset = config.load_data(values)
        return config.make_config(values, dataset, replicas=1), dataset


def run(directory, *arguments: str) -> tuple[dict, str]:
    """Runs the pipeline; returns the result and what the person saw."""
    settings, dataset = configure(f"--run_dir={directory}", *TINY, *arguments)
    screen = io.StringIO()
    show = Console(rich.console.Console(file=screen, width=120))
    result = pipeline.run(settings, dataset, training.make_strategy("none"), show)
    return result, screen.getvalue()


def eagerly():
    """For the duration, functions run as they are: tracing takes longer than a few steps."""
    return functions_run(eagerly=True)


def short(directory, *arguments: str) -> tuple[dict, str]:
    """As `run`, in four steps a training, none of them traced: soon over, and little is learned."""
    with eagerly():
        return run(directory, *SHORT, *arguments)


def finished(directory, *arguments: str, by=run) -> tuple[dict, str]:
    """As `run`, or what else it is made by, for tests that begin where a run has ended.

    It is made once a process, somewhere else; each test gets a copy of it and of its dense training.
    """
    folder, result, screen = _made(by, arguments)
    for made in folder.iterdir():
        place = directory if made.name == "run" else directory.parent / made.name
        shutil.copytree(made, place, dirs_exist_ok=True)
    return copy.deepcopy(result), screen


@functools.cache
def _made(by, arguments: tuple[str, ...]) -> tuple[pathlib.Path, dict, str]:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="finished."))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder, *by(folder / "run", *arguments)
