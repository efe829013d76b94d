"""Examples do what they say: those of docstrings, the Python blocks of the README and of docs/, and commands.

An example is run with the names of its module and with what it presupposes (`GIVEN`). What it shows must
come; where it shows nothing, anything may. One that cannot be run is marked `# doctest: +SKIP`, under a line
of the docstring that says why.
"""

import ast
import copy
import dataclasses
import doctest
import functools
import importlib
import pathlib
import re
import runpy
import shlex

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags

import tf_tickets as tt
from tests.reporting import synthetic
from tf_tickets import config, laboratory, results
from tf_tickets.laboratory import investigation
from tf_tickets.programs import presets, report
from tf_tickets.serving import plans
from tf_tickets.sweeps import data_cache, sweep_flags

ROOT = pathlib.Path(__file__).parents[1]
PARSER = doctest.DocTestParser()


def docstrings():
    """(module, name, docstring) of every docstring with an example; no module is imported."""
    for path in sorted(ROOT.glob("tf_tickets/**/*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for name, node in definitions(ast.parse(path.read_text(encoding="utf-8")), module):
            text = ast.get_docstring(node)
            if text and PARSER.get_examples(text):
                yield pytest.param(module, name, text, id=name)


def definitions(node, name):
    """(dotted name, node) of a module and of all that it defines."""
    yield name, node
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.ClassDef | ast.FunctionDef):
            yield from definitions(inner, f"{name}.{inner.name}")


def slow(code):
    """The mark of examples that train."""
    return [pytest.mark.slow] if ".fit(" in code else []


def code_of(text):
    return "".join(example.source for example in PARSER.get_examples(text))


class Shown(doctest.OutputChecker):
    """Compares what is shown."""

    def check_output(self, want, got, optionflags):
        return not want or super().check_output(want, got, optionflags)


def run(source, names, where, line=0):
    """Runs `>>>` examples; their names stay in `names`."""
    test = PARSER.get_doctest(source, names, where, where, line)
    test.globs = names
    runner = doctest.DocTestRunner(
        Shown(), verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    said = []
    failed, _ = runner.run(test, out=said.append, clear_globs=False)
    assert not failed, "".join(said)


load, build = tt.data.load, tt.models.build


@functools.cache
def digits():
    return load("digits")


def few(dataset):
    """The dataset, cut to its first examples."""
    splits = {
        name: dataclasses.replace(split, images=split.images[:FEW], labels=split.labels[:FEW])
        for name, split in dataset.splits.items()
    }
    return dataclasses.replace(dataset, splits=splits)


def small_model():
    """A perceptron for digits, compiled."""
    model = tt.models.build("mlp_32", digits().input_shape, digits().num_classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss, metrics=["accuracy"])
    return model


class MyLayer(keras.layers.Layer):
    """A layer of two weights."""

    def build(self, shape):
        self.w, self.v = (self.add_weight(shape=(shape[-1], 4), name=name) for name in "wv")


# Examples that are trained on: as few as let masks move once in 30 epochs, after 100 steps.
FEW = 160
# What a network stands for in a block: its traces take longer the deeper it is.
SHALLOWER = {"resnet20": "resnet8"}
# What examples presuppose, made where it is named.
GIVEN = {
    "tt": lambda: tt,
    "tf_tickets": lambda: tt,
    "keras": lambda: keras,
    "np": lambda: np,
    "tf": lambda: tf,
    "model": small_model,
    "x": lambda: digits().train[0][:FEW],
    "y": lambda: digits().train[1][:FEW],
    "other": lambda: tt.prune(small_model(), "random", 0.98, seed=1),
    "rates": lambda: keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 if epoch < 6 else 0.01),
    "MyLayer": lambda: MyLayer,
    "run": lambda: results.load(["runs"])[0],
    "my_file": lambda: importlib.import_module("my_file"),
}


def given(source, names):
    """Adds what the source presupposes and `names` have not."""
    tree = ast.parse(source)
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    made = {node.id for node in named if isinstance(node.ctx, ast.Store)}
    for name in {node.id for node in named} & GIVEN.keys() - made - names.keys():
        names[name] = GIVEN[name]()
    return names


@pytest.fixture(autouse=True)
def quiet():
    """Keras shows no progress, which is not what an example shows."""
    keras.config.disable_interactive_logging()
    yield
    keras.config.enable_interactive_logging()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where examples work: a run is in it, and a module with a score."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    # Which kernels are fastest is not at stake, so no layer is so large that it would be measured.
    monkeypatch.setattr(plans, "FEWEST_WEIGHTS", float("inf"))
    # Nor what XLA makes of a model, which takes longest of all.
    monkeypatch.setattr("keras.src.trainers.trainer.model_supports_jit", lambda model: False)
    keras.utils.set_random_seed(0)
    synthetic.write("runs/snip", seed=3)
    pathlib.Path("my_file.py").write_text("def mine(model, batches, rng):\n    return []\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "text"),
    [pytest.param(*each.values, id=each.id, marks=slow(each.values[2])) for each in docstrings()],
)
def test_docstrings(module, name, text):
    names = dict(vars(importlib.import_module(module)))
    run(text, given(code_of(text), names), name)


@pytest.mark.slow
@pytest.mark.parametrize(("module", "name", "text"), [*docstrings()])
def test_what_is_skipped_says_why(module, name, text):
    lines = text.splitlines()
    for example in PARSER.get_examples(text):
        above = lines[: example.lineno]
        while above and re.match(r" *(>>>|\.\.\.|$)", above[-1]):
            above.pop()
        assert not example.options.get(doctest.SKIP) or above[-1].strip() != "Example:"


PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))]
# What a page is about, and the package does not need.
OPTIONAL = {
    "docs/from_tfmot.md": ("onnx", "onnxruntime", "tf2onnx"),
    "docs/prune_a_transformer.md": ("keras_hub",),
}
# Of which the networks are large for the few steps that they are trained: tracing takes longer.
UNTRACED = {"docs/deployment.md", "docs/prune_a_transformer.md"}
# Where each block is for itself, after so many that come before all of them.
COMMON = {"docs/start_sparse.md": 1}


def blocks(page):
    """(line, code) of the Python blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text[: found.start()].count("\n") + 1, found[1]


def chains():
    """Blocks that are run one after the other."""
    for page in PAGES:
        found = list(blocks(page))
        before = COMMON.get(page, len(found))
        for chain in [[*found[:before], block] for block in found[before:]] or [found]:
            if chain:
                marks = slow("".join(code for _, code in chain))
                yield pytest.param(page, chain, id=f"{page}:{chain[-1][0]}", marks=marks)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "chain"), [*chains()])
def test_blocks(page, chain, monkeypatch, request):
    for package in OPTIONAL.get(page, ()):
        pytest.importorskip(package, reason=f"{page} is about {package}, which is not installed")
    # A verdict takes hours, so what is asked for is planned, and not done.
    nothing = laboratory.Findings((), (), {}, {}, (), results.Analysis())
    monkeypatch.setattr(investigation, "investigate", lambda plan, *settings: nothing)
    if page in UNTRACED:
        request.getfixturevalue("untraced")
    # A block trains a shallow network on few data.
    monkeypatch.setattr(tt.data, "load", lambda *given, **options: few(load(*given, **options)))
    monkeypatch.setattr(
        tt.models,
        "build",
        lambda name, *given, **options: build(SHALLOWER.get(name, name), *given, **options),
    )
    monkeypatch.setattr(data_cache, "_LOADED", {})  # or the plans of later tests would find the few
    names = {"__name__": "__main__"}
    for line, code in chain:
        file = re.match(r"# (\w+\.py)$", code, re.MULTILINE)
        if file:  # what later blocks import
            pathlib.Path(file[1]).write_text(code)
        if code.startswith(">>>"):
            run(code, given(code_of(code), names), page, line)
        else:
            exec(compile("\n" * line + code, ROOT / page, "exec"), given(code, names))


def define_report(values):
    report.define_flags()
    for flag in flags.FLAGS.flags_by_module_dict()[report.GROUP]:
        values[flag.name] = copy.deepcopy(flag)


def experiment(name):
    """What a program of scripts/experiments does with flags."""
    found = runpy.run_path(str(ROOT / "scripts" / "experiments" / f"{name}.py"))
    return found["define_flags"]


# How a command begins -> what defines its flags.
PROGRAMS = {
    "python -m tf_tickets.run": config.define_flags,
    "python -m tf_tickets.sweep": sweep_flags.define_flags,
    "python -m tf_tickets.sanity": laboratory.define_flags,
    "python -m tf_tickets.report": define_report,
    "./scripts/run": config.define_flags,
    "./scripts/reproduce": experiment("reproduce"),
    "./scripts/theory": experiment("theory"),
}


def commands():
    """Every command of a page that starts a program of ours with flags."""
    start = re.compile(rf"(?:{'|'.join(map(re.escape, PROGRAMS))})(?= |$)")
    for page in PAGES:
        lines = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        for number, line in enumerate(lines, 1):
            # Commands stand in blocks, which are indented or fenced, or by themselves between backticks.
            for found in start.finditer(line):
                rest = line[found.end() :].split("`")[0]
                yield pytest.param(found[0], rest, id=f"{page}:{number}")


@pytest.mark.parametrize(("program", "rest"), [*commands()])
def test_commands_have_flags_that_their_programs_know(program, rest, monkeypatch):
    monkeypatch.chdir(ROOT)
    values = flags.FlagValues()
    PROGRAMS[program](values)
    values(presets.with_presets([program, *shlex.split(rest)]))
