"""Command lines, flagfiles and grids: random values are an error of one line, or a config that is whole."""

import contextlib
import json

import pytest
from absl import flags
from absl.testing import flagsaver
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import bounded, damaged, fuzz, read_or_refused
from tests.runs import parsed
from tf_tickets import config, data, pipeline
from tf_tickets.config import Config
from tf_tickets.programs import help, run
from tf_tickets.sweeps.axes import seeds_of
from tf_tickets.sweeps.cell import parse, planned
from tf_tickets.sweeps.grid import read_grid
from tf_tickets.sweeps.sweep_flags import define_flags

HUGE = ("9" * 30, "9" * 400, "9" * 5000, "-1", "0", "1e400", "nan", "inf", "-0.0", "1e-320")
ODD = (
    "",
    " ",
    ",",
    ",,",
    "=",
    "a=",
    "=a",
    "a\0b",
    "é",
    "\ud800",
    "x" * 3000,
    "../..",
    "~nobody-of-this-name/x",
    "[" * 3000,
)
RIGHT = (
    "0.5",
    "1",
    "3",
    "true",
    "smart",
    "snip",
    "random",
    "lt",
    "resnet20",
    "mlp_8",
    "keras:X",
    "digits",
    "none",
    "a=1",
)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def names():
    values = flags.FlagValues()
    config.define_flags(values)
    return sorted(flag.name for group in config.GROUPS for flag in values.flags_by_module_dict()[group])


# Code of the user's own, and places that a test must not write to, are not drawn at random.
TEXTS = st.one_of(
    st.sampled_from((*HUGE, *ODD, *RIGHT)),
    st.lists(st.sampled_from((*HUGE[4:], *RIGHT)), min_size=1, max_size=3).map(",".join),
    st.text(max_size=6).filter(lambda text: ":" not in text),
)
ARGUMENTS = st.lists(st.tuples(st.sampled_from(names()), TEXTS), min_size=1, max_size=3)
METHODS = st.sampled_from(["hybrid", "snip", "random", "lt", "grasp", "weight_rewinding", "dense", "uniform"])


def configured(values, dataset) -> Config:
    """What tf_tickets.run does before it builds the model."""
    config.check_flags(values)
    return config.make_config(values, dataset, 1)


@pytest.mark.slow
@fuzz(400)
@given(method=METHODS, pairs=ARGUMENTS)
def test_values_of_flags_are_refused_by_name_or_make_a_config(digits, method, pairs):
    arguments = [f"--method={method}", *(f"--{name}={text}" for name, text in pairs)]

    def read():
        values = parse(arguments)
        found = configured(values, digits)
        assert Config.from_json(json.loads(json.dumps(found.to_json()))) == found
        assert found.budget >= 0 and isinstance(config.run_name(found), str)
        return found

    named = {part for name, _ in pairs for part in (name, name.replace("_", " "))}
    read_or_refused(read, "method", *named, *(text[:20] for _, text in pairs if text.strip()))


@pytest.mark.parametrize("fraction", ["nan", "inf", "-1", "0.6"])
def test_a_validation_fraction_is_refused_before_data_are_read(fraction):
    with pytest.raises(ValueError, match=r"--validation_fraction=.* is out of range: it is a number in"):
        config.check_flags(parse([f"--validation_fraction={fraction}"]))


@pytest.mark.slow
@fuzz(60)
@given(pairs=ARGUMENTS, controls=st.booleans())
def test_grids_are_refused_or_have_cells(pairs, controls):
    values = flags.FlagValues()
    define_flags(values)

    def read():
        try:
            values(["sweep", *(f"--{name}={text}" for name, text in pairs)])
        except flags.Error as error:
            raise ValueError(str(error)) from error
        found = read_grid(values, controls)
        assert found.cells or found.silent
        return [config.run_name(planned(cell)) for cell in found.cells[:50]]

    read_or_refused(read, "--", "recipe", *(name for name, _ in pairs), *(text for _, text in pairs))


@pytest.mark.parametrize("text", ["0-999999999999", "0-99999999999999999999", "9" * 5000, "5-" + "9" * 5000])
def test_a_range_of_seeds_that_no_machine_runs(text):
    with bounded(), pytest.raises(ValueError, match="--seed"):
        seeds_of([text])


@contextlib.contextmanager
def command_line(*arguments):
    """flags.FLAGS, parsed as `python -m tf_tickets.run` parses them; put back afterwards."""
    config.define_flags()
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver():
        flags.FLAGS.unparse_flags()
        try:
            yield help.parse_flags(["run", *arguments], run.ABOUT, config.GROUPS)
        finally:
            flags.FLAGS.mark_as_parsed()


def exit_of(*arguments, capsys):
    """What is said of a command line that ends before it runs; None where it would run."""
    capsys.readouterr()
    with bounded():
        try:
            with command_line(*arguments):
                return None
        except SystemExit as end:
            assert end.code == 1
            said = capsys.readouterr().err
            assert said.startswith("tf_tickets: ") and "Traceback" not in said
            return said


FLAGFILE = b"# a comment\n--method=lt\n--sparsity=0.9\n\n--epochs=3\n--milestones=0.5,0.75\n--nonesterov\n"


@pytest.mark.slow
@fuzz(100)
@given(content=st.one_of(damaged(FLAGFILE), st.binary(max_size=200), st.text(max_size=80).map(str.encode)))
def test_a_flagfile_parses_or_is_refused(tmp_path_factory, capsys, content):
    path = tmp_path_factory.mktemp("flags") / "mine.cfg"
    if b"flagfile" in content or b"help" in content:
        return
    path.write_bytes(content)
    exit_of(f"--flagfile={path}", capsys=capsys)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"PK\x03\x04\x80\x81", b"--seed=\xc3\x28", b"--\x00=1"])
def test_a_flagfile_that_is_no_text_is_named(tmp_path, capsys, content):
    path = tmp_path / "mine.cfg"
    path.write_bytes(content)
    said = exit_of(f"--flagfile={path}", capsys=capsys)
    assert said is not None and (str(path) in said or "Unknown command line flag" in said or "\0" in said)


def test_a_flagfile_that_names_itself_is_read_once(tmp_path, capsys):
    path = tmp_path / "mine.cfg"
    path.write_text(f"--flagfile={path}\n--seed=3\n--flagfile={path}\n")
    with bounded(), command_line(f"--flagfile={path}"):
        assert flags.FLAGS.seed == 3


@pytest.mark.parametrize("place", ["", "missing.cfg", "a\0b"])
def test_a_flagfile_that_cannot_be_opened_is_named(tmp_path, capsys, place):
    said = exit_of(f"--flagfile={tmp_path}/{place}", capsys=capsys)
    assert said is not None and str(tmp_path) in said


@pytest.mark.slow
def test_flagfiles_that_name_each_other_without_end(tmp_path, capsys):
    for number in range(3000):
        (tmp_path / f"{number}.cfg").write_text(f"--flagfile={tmp_path}/{number + 1}.cfg\n")
    said = exit_of(f"--flagfile={tmp_path}/0.cfg", capsys=capsys)
    assert said is not None and "flagfile" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["--dataset=npz:{}/damaged"],
        ["--dataset=idx:{}"],
        ["--ticket={}/damaged"],
        ["--ratios=ticket:{}/damaged"],
        ["--dataset=tfds:../../x"],
        ["--dataset=tfds:a\0b"],
        ["--epochs=99999999999999999999999"],
        ["--seed=99999999999999999999999999"],
        ["--run_dir=a\0b"],
        ["--run_dir={}/damaged/x"],
        ["--score=no.such.module:x"],
        ["--method=random", "--ratios=nan,inf,1", "--sparsity=0.5"],
        ["--method=random", "--ratios=-1,0,0", "--sparsity=0.5"],
        ["--validation_fraction=nan"],
        ["--validation_fraction=1e-9"],
        ["--model=mlp_" + "9" * 30],
        ["--model=resnet" + "9" * 5000],
        ["--model=keras:__class__"],
        ["--model=keras:../../x"],
    ],
    ids=lambda arguments: arguments[-1][:30].replace("\0", "0"),
)
def test_no_traceback_escapes_the_command(arguments, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "pretrain", lambda *_: pytest.fail("it began to work"))
    (tmp_path / "damaged").write_bytes(b"PK\x03\x04damaged")
    with parsed(*(argument.format(tmp_path) for argument in arguments), "--threads=2", "--strategy=none"):
        capsys.readouterr()
        with bounded(512):
            code = run.main(["run"])
    said = capsys.readouterr().err
    assert code == 1 and said.startswith("tf_tickets: ") and len(said) > 20
    assert "Traceback" not in said and said.count("\n") <= 3
