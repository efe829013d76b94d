"""One contract for every option: what its declaration says is what flags, records and commands do."""

import dataclasses
import json

import pytest
from absl import flags

from tf_tickets import config
from tf_tickets.config import FLAGS, OPTIONS, RECIPE_OPTIONS, Config
from tf_tickets.support import options
from tf_tickets.support.options import DERIVED, NOTHING, SETTING
from tf_tickets.training.recipe import Recipe

# The options that the first runs were named by.
FIRST = (
    *("model", "epochs", "augment", "width", "batch_size", "optimizer", "learning_rate", "momentum"),
    *("nesterov", "weight_decay", "schedule", "milestones", "lr_decay", "min_learning_rate", "warmup_epochs"),
    *("method", "sparsity", "ratios", "family", "classifier_keep", "rewind_epoch", "rounding", "seed"),
    *("dataset", "data_fingerprint", "validation_fraction", "image_size", "recipe", "replicas", "threads"),
)
every_option = pytest.mark.parametrize("row", [*OPTIONS, *RECIPE_OPTIONS], ids=lambda row: row.field)
every_flag = pytest.mark.parametrize("row", FLAGS.values(), ids=lambda row: row.name)


def defined():
    values = flags.FlagValues()
    config.define_flags(values)
    return values


class TestEveryOption:
    @every_option
    def test_its_default_is_one_of_its_values(self, row):
        if row.default is not DERIVED and row.default is not None:
            assert row.kind.accepts(json.loads(json.dumps(row.default)))
        if row.default is None:
            assert row.optional

    @every_option
    def test_it_is_given_by_a_flag_with_help_or_is_found(self, row):
        assert bool(row.name) == bool(row.group) == bool(row.help)

    @every_option
    def test_only_the_first_options_name_a_run_always(self, row):
        """An option that comes later leaves the names of the runs before it as they were."""
        assert row.always_named == (row.field in FIRST)


class TestEveryFlag:
    @every_flag
    def test_is_defined_as_declared(self, row):
        flag = defined()[row.name]
        assert flag.help.endswith(row.help)
        default = tuple(flag.default) if isinstance(flag.default, list) else flag.default
        assert default == row.flag_default

    @every_flag
    def test_what_means_nothing_to_some_methods_can_be_seen_to_be_given(self, row):
        if row.needs is not None or row.beside is not None:
            assert defined()[row.name].default is None

    @every_flag
    def test_the_flag_beside_which_it_means_something_exists(self, row):
        assert row.beside is None or row.beside.flag in FLAGS

    def test_no_two_fields_have_one_flag(self):
        rows = [row for row in (*OPTIONS, *RECIPE_OPTIONS) if row.name]
        assert len({row.name for row in rows}) == len(rows)
        assert {row.name for row in rows} < set(FLAGS)


class TestDocstrings:
    @pytest.mark.parametrize("owner", [Config, Recipe])
    def test_tell_of_every_field_that_can_be_given(self, owner):
        for row in options.options_of(owner):
            assert (f"        {row.field}: {row.help}" in owner.__doc__) == bool(row.help)


class TestKinds:
    @pytest.mark.parametrize(
        ("kind", "yes", "no", "expected"),
        [
            (options.whole(1), (1, 2**31 - 1), (0, 2**31, 1.0, True, "1", None), "a whole number, 1 or more"),
            (options.number("[0, 1)"), (0, 0.5), (1, -0.1, float("nan"), True, "0"), "a number in [0, 1)"),
            (options.number("(0, 1]"), (1, 0.5), (0, 1.1), "a number in (0, 1]"),
            (options.number("(0, inf)"), (1e-9, 10**9), (0, float("inf")), "a number above 0"),
            (options.number("[0, inf)"), (0, 2.5), (-1, float("inf")), "a number, 0 or more"),
            (options.switch(), (True, False), (0, "true"), "true or false"),
            (options.text(), ("", "a"), (None, 1), "text"),
            (options.name(), ("a",), ("", None), "a name"),
            (options.names(("a", "b")), (["a"], ("c",)), ("a", [1]), "names"),
            (options.pairs(), ({}, {"a": 1}), ([], "a"), "a mapping"),
        ],
    )
    def test_what_they_accept(self, kind, yes, no, expected):
        assert all(map(kind.accepts, yes)) and not any(map(kind.accepts, no))
        assert kind.expected == expected

    def test_a_value_out_of_range_is_named_with_what_is_accepted(self):
        with pytest.raises(
            ValueError, match=r"^--rounds=0 is out of range: it is a whole number, 1 or more.$"
        ):
            options.whole(1).check("rounds", 0)
        with pytest.raises(ValueError, match=r"1 or more, at most 5\.$"):
            options.whole(1, 5).check("rounds", 6)
        with pytest.raises(ValueError, match=r"^--export=onnx is unknown. Choose from: keras, litert\.$"):
            options.names(("keras", "litert")).check("export", ["keras", "onnx"])

    @pytest.mark.parametrize("names", [("a",), ("a", "b")])
    def test_names_of_later_versions_can_be_read(self, names):
        """A record of a later version is no broken one because it chose what is not known yet."""
        assert options.choice(names).accepts("later")


class TestWhatOptionsDecide:
    def test_a_place_names_no_run(self):
        assert set(config.fields_that_decide(NOTHING)) == {
            "data_dir", "run_dir", "dense_dir", "export", "quantize", "kernels", "deployment", "ticket",
            "checkpoint_minutes",
        }  # fmt: skip

    def test_runs_of_one_setting_share_data_model_training_and_machine(self):
        assert set(config.fields_that_decide(SETTING)) == {
            "dataset", "data_fingerprint", "validation_fraction", "split_seed", "train_examples",
            "image_size", "standardize", "target", "recipe", "model_code",
            "optimizer_code", "schedule_code", "loss_code", "metric_code",
            "callbacks", "callbacks_code", "replicas", "threads", "mixed_precision", "jit_compile",
        }  # fmt: skip

    def test_an_option_of_the_users_own_dataclass_needs_no_more_than_its_row(self):
        @options.described
        @dataclasses.dataclass(frozen=True)
        class Own:
            """Mine."""

            patience: int | None = options.option(options.whole(0), "The ticket", "Epochs.", default=None)

        globals()["Own"] = Own
        (row,) = options.options_of(Own)
        assert (row.field, row.name, row.optional, row.default) == ("patience", "patience", True, None)
        assert "patience: Epochs." in Own.__doc__ and Own().patience is None
