"""Scores: what they are, that taking them leaves no trace, and what is asked of a callable of one's own."""

import functools
import inspect
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests.pruning import nets
from tests.pruning.nets import assert_same
from tf_tickets.pruning.scores import SCORES, Score, check_options
from tf_tickets.support.random_streams import stream


class OnAccess:
    """Data that fails whoever looks at it."""

    def __getattribute__(self, name):
        raise AssertionError(f"the data was touched: {name}")

    def __iter__(self):
        raise AssertionError("the data was touched")


@functools.cache
def shared():
    """One masked model for all tests that only score it."""
    model = nets.functional()
    tt.mask_layers(model)
    return model


def positions(model, batches, rng):
    return [np.arange(kernel.size, dtype=float).reshape(kernel.shape) for kernel in nets.kernels(model)]


def returning(arrays):
    def given(model, batches, rng):
        return arrays(nets.kernels(model))

    return given


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@functools.cache
def trained():
    """A compiled model after a step, which scoring leaves as it is."""
    model = nets.convolutional()
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), LOSS, run_eagerly=True)
    model.fit(*nets.examples(model), verbose=0)
    tt.mask_layers(model)
    return model


@functools.cache
def scored(name):
    """Scores of a trained model, and its state before and after."""
    model = trained()
    before = nets.state(model)
    arrays = tt.score(model, name, data=nets.examples(model), seed=5)
    return arrays, before, nets.state(model)


@pytest.mark.parametrize("name", sorted(SCORES))
class TestEveryScore:
    @pytest.mark.slow
    def test_is_shaped_like_the_weights_in_forward_order(self, name):
        arrays, _, _ = scored(name)
        assert [array.shape for array in arrays] == [(3, 3, 2, 4), (2, 2, 4, 6), (6, 3)]
        assert all(array.dtype.kind == "f" and np.isfinite(array).all() for array in arrays)

    @pytest.mark.slow
    def test_changes_nothing_of_the_model(self, name):
        """Nor of one without masks: see `tests/test_any_model.py`."""
        _, before, after = scored(name)
        assert_same(after, before)

    @pytest.mark.slow
    def test_is_deterministic_in_its_seed(self, name):
        model = trained()
        assert_same(tt.score(model, name, data=nets.examples(model), seed=5), scored(name)[0])

    def test_takes_no_unknown_option(self, name):
        with pytest.raises(ValueError, match=r"Unknown option temprature, x. Accepted here: "):
            tt.score(shared(), name, x=1, temprature=2)

    def test_says_of_every_option_what_it_takes(self, name):
        row = SCORES[name]
        assert row.takes.keys() == set(row.options)
        for option, parameter in inspect.signature(row.resolved).parameters.items():
            if option in row.takes:
                check_options(row, {option: parameter.default})

    def test_takes_no_option_of_another_type(self, name):
        for option in SCORES[name].takes:
            for value in (0, -1.5, "no such", [1]):
                if value == 0 and SCORES[name].takes[option].accepts(0):
                    continue
                with pytest.raises(ValueError, match=rf"^{option}( is |=).*{re.escape(repr(value))}"):
                    check_options(SCORES[name], {option: value})


def test_probes_of_days_are_refused():
    with pytest.raises(ValueError, match="probes is a whole number, 1 or more, at most 1000000"):
        check_options(SCORES["obd"], {"probes": 10**9})


class TestMagnitude:
    def test_is_the_absolute_value(self):
        model = nets.functional()
        assert_same(tt.score(model, "magnitude"), [np.abs(kernel) for kernel in nets.kernels(model)])

    @pytest.mark.slow
    def test_sees_what_a_mask_hides(self):
        model = nets.functional()
        scores = tt.score(model, "magnitude")
        tt.prune(model, "random", 0.9)
        assert_same(tt.score(model, "magnitude"), scores)

    @pytest.mark.slow
    @pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "mixed_bfloat16"])
    def test_in_every_precision(self, dtype):
        model = nets.functional(dtype=dtype)
        scores = tt.score(model, "magnitude")
        expected = [np.abs(kernel.astype("float64")) for kernel in nets.kernels(model)]
        assert_same([score.astype("float64") for score in scores], expected)
        assert tt.prune(model, "hybrid", 0.5).kept == round(103 * 0.5)


class TestRandom:
    def test_is_drawn_from_the_stream_of_scores(self):
        model, rng = nets.functional(), stream(3, "score")
        expected = [rng.random(kernel.shape) for kernel in nets.kernels(model)]
        assert_same(tt.score(model, "random", seed=3), expected)

    def test_other_seeds_give_other_scores(self):
        model = nets.functional()
        one, other = tt.score(model, "random", seed=0), tt.score(model, "random", seed=1)
        assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))

    def test_does_not_depend_on_the_weights(self):
        assert_same(
            tt.score(nets.functional(seed=0), "random", seed=2),
            tt.score(nets.functional(seed=9), "random", seed=2),
        )

    def test_never_touches_data(self):
        model = nets.functional()
        assert_same(tt.score(model, "random", data=OnAccess()), tt.score(model, "random"))

    def test_leaves_the_global_random_states_alone(self):
        keras.utils.set_random_seed(3)
        expected = (np.random.random(), tf.random.uniform([]).numpy())  # noqa: NPY002
        model = nets.functional()
        keras.utils.set_random_seed(3)
        tt.score(model, "random", seed=1)
        assert (np.random.random(), tf.random.uniform([]).numpy()) == expected  # noqa: NPY002


class TestCallables:
    """A score of one's own: (model, batches, rng, **options) -> arrays."""

    def test_gets_model_data_stream_and_options(self):
        model, seen = nets.functional(), []
        data = nets.examples(model)

        def mine(model, batches, rng, power=1, *, sign):
            seen.extend([model, rng.random(), power, sign])
            ((x, y),) = batches
            assert_same([x.numpy(), y.numpy()], list(data))
            return [sign * kernel**power for kernel in nets.kernels(model)]

        arrays = tt.score(model, mine, data=data, seed=4, sign=-1)
        assert seen == [model, stream(4, "score").random(), 1, -1]
        assert_same(arrays, [-kernel for kernel in nets.kernels(model)])

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "convert",
        [
            lambda kernels: [tf.constant(kernel) for kernel in kernels],
            lambda kernels: (keras.Variable(kernel) for kernel in kernels),
            lambda kernels: tuple(kernel.tolist() for kernel in kernels),
            lambda kernels: [np.where(kernel > 0, np.inf, -np.inf) for kernel in kernels],
            lambda kernels: [np.sign(kernel).astype(np.int8) for kernel in kernels],
            lambda kernels: [tf.cast(kernel, "bfloat16") for kernel in kernels],
        ],
        ids=["tensors", "a generator of variables", "nested lists", "infinite", "integers", "bfloat16"],
    )
    def test_may_return_any_arrays_of_numbers(self, convert):
        model = shared()
        arrays = tt.score(model, returning(convert))
        assert all(type(array) is np.ndarray for array in arrays)
        assert tt.prune(model, custom(returning(convert)), 0.5).kept == 52

    @pytest.mark.parametrize(
        ("convert", "message"),
        [
            (lambda kernels: None, "returned no list of arrays but None"),
            (lambda kernels: 3.0, "returned no list of arrays but 3.0"),
            (lambda kernels: [], "returned 0 arrays for 3 prunable weights"),
            (lambda kernels: kernels[:2], "returned 2 arrays for 3 prunable weights"),
            (lambda kernels: kernels[::-1], r"returned shape \(5, 3\) for .*kernel of shape \(6, 8\)"),
            (lambda kernels: [kernel.T for kernel in kernels], r"returned shape \(8, 6\) for"),
            (lambda kernels: [kernel.ravel() for kernel in kernels], r"returned shape \(48,\) for"),
            (lambda kernels: [kernel * np.nan for kernel in kernels], "returned NaN or no numbers for"),
            (lambda kernels: [*kernels[:2], kernels[2] + np.nan], "returned NaN or no numbers for"),
            (lambda kernels: [kernel.astype(str) for kernel in kernels], "returned NaN or no numbers"),
            (lambda kernels: [kernel.astype(object) for kernel in kernels], "returned NaN or no numbers"),
            (lambda kernels: [kernel > 0 for kernel in kernels], "returned NaN or no numbers"),
            (lambda kernels: [kernel * 1j for kernel in kernels], "returned NaN or no numbers"),
            (lambda kernels: dict.fromkeys("abc", 1), r"returned shape \(\) for"),
        ],
    )
    def test_what_it_returns_is_checked(self, convert, message):
        with pytest.raises(ValueError, match=f"Score given {message}"):
            tt.score(shared(), returning(convert))

    @pytest.mark.parametrize("function", [list, lambda model: [], lambda a, b, c, d: []])
    def test_how_it_is_called_is_checked_before_it_is(self, function):
        with pytest.raises(ValueError, match=r"called as \(model, batches, rng, \*\*options\)"):
            tt.score(shared(), function)

    def test_may_be_named_by_its_module(self):
        model = nets.functional()
        named = tt.score(model, "tests.pruning.nets:magnitudes")
        assert_same(named, tt.score(model, nets.magnitudes))
        ticket = tt.prune(model, "snip", 0.5, score="tests.pruning.nets:magnitudes")
        assert ticket.origin["score"] == "tests.pruning.nets:magnitudes"

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("no.such.module:f", "no.such.module has no f to import .No module named 'no'"),
            ("tests.pruning.nets:f", "tests.pruning.nets has no f to import"),
            ("tests.pruning.nets:", "is unknown"),
            ("tests.pruning.nets:np", "is no function but module"),
        ],
    )
    def test_a_name_that_names_nothing(self, name, message):
        with pytest.raises(ValueError, match=message):
            tt.score(shared(), name)

    def test_options_are_checked_against_its_signature(self):
        def mine(model, batches, rng, power=1): ...

        with pytest.raises(ValueError, match=r"Unknown option powr. Accepted here: power"):
            tt.score(shared(), mine, powr=2)

    def test_options_without_a_default_must_be_given(self):
        def mine(model, batches, rng, power): ...

        with pytest.raises(ValueError, match="mine cannot be: missing a required argument: 'power'"):
            tt.score(shared(), mine)

    def test_any_options_where_it_takes_any(self):
        def mine(model, batches, rng, **options):
            return [options["level"] * array for array in positions(model, batches, rng)]

        assert tt.score(shared(), mine, level=3)[0][0, 1] == 3

    def test_partials_and_objects_are_callables(self):
        class Counted:
            def __call__(self, model, batches, rng):
                return positions(model, batches, rng)

        def scaled(scale, model, batches, rng):
            return [scale * array for array in positions(model, batches, rng)]

        model = shared()
        assert_same(tt.score(model, Counted()), tt.score(model, functools.partial(scaled, 1.0)))

    @pytest.mark.slow
    @pytest.mark.parametrize("value", [0, 1.0, np.inf, -np.inf])
    def test_one_number_for_all_weights_ranks_nothing(self, value):
        tied = returning(lambda kernels: [np.full(kernel.shape, value) for kernel in kernels])
        with pytest.raises(
            ValueError, match=r"Score given is .* for each of the 103 weights: it ranks nothing"
        ):
            tt.score(shared(), tied)
        with pytest.raises(ValueError, match="it ranks nothing"):
            tt.prune(nets.functional(), "snip", 0.5, score=tied)

    def test_what_it_writes_to_the_model_is_undone(self):
        def writing(model, batches, rng):
            for kernel in model.trainable_variables:
                kernel.assign(kernel * 0)
            return positions(model, batches, rng)

        model = nets.functional()
        before = nets.state(model)
        tt.score(model, writing)
        assert_same(nets.state(model), before)

    def test_an_option_that_prune_has_itself_is_refused(self):
        def mine(model, batches, rng, rounds=3): ...

        with pytest.raises(ValueError, match="option rounds is one of prune itself: give it another name"):
            tt.prune(nets.functional(), "snip", 0.5, score=mine)

    def test_its_own_errors_pass_through(self):
        def broken(model, batches, rng):
            raise ZeroDivisionError("mine")

        with pytest.raises(ZeroDivisionError, match="mine"):
            tt.score(shared(), broken)


class TestWhatIsRefused:
    @pytest.mark.parametrize("score", ["magnitud", "", None, 3, ["magnitude"], {"score": 1}])
    def test_scores(self, score):
        with pytest.raises(
            ValueError, match=r"score=.* is unknown.* Choose one of: random, magnitude.* callable"
        ):
            tt.score(shared(), score)

    @pytest.mark.parametrize("seed", [-1, "0", 0.5, None, True])
    def test_seeds(self, seed):
        with pytest.raises(ValueError, match="A seed is a non-negative integer"):
            tt.score(shared(), "magnitude", seed=seed)

    def test_models_with_nothing_to_prune(self):
        inputs = keras.Input((4,))
        model = keras.Model(inputs, keras.layers.BatchNormalization()(inputs), name="bare")
        with pytest.raises(
            ValueError, match="'bare' has nothing to prune: no convolution, dense or recurrent kernel"
        ):
            tt.score(model, "magnitude")

    @pytest.mark.parametrize("model", ["resnet32", None, keras.layers.Dense(3)])
    def test_what_is_no_model(self, model):
        with pytest.raises(TypeError, match=r"Pruning takes a keras.Model. Received: "):
            tt.score(model, "magnitude")

    @pytest.mark.slow
    def test_labels_that_are_texts(self):
        x, y = nets.examples(shared())
        names = np.array(list("abc"))[y]
        for model in (nets.functional(), nets.functional()):
            with pytest.raises(
                ValueError, match=r"labels that are texts.*np.unique\(y, return_inverse=True\)"
            ):
                tt.score(model, "snip", data=(x, names))
            model.compile("sgd", LOSS)

    def test_data_that_are_no_arrays(self):
        x, y = nets.examples(shared())
        with pytest.raises(ValueError, match=r"^data= holds what is no array: .*$"):
            tt.score(shared(), "snip", data=(x, [*y[:-1], None]))

    def test_scores_that_need_data_without_data(self, monkeypatch):
        monkeypatch.setitem(SCORES, "curious", Score(function=positions, data="needed"))
        with pytest.raises(ValueError, match=r"score='curious' needs data=: \(x, y\) arrays or"):
            tt.score(shared(), "curious")
        assert len(tt.score(shared(), "curious", data=(np.zeros((1, 6)), np.zeros(1)))) == 3


def custom(score):
    return tt.Method(score, "global", "trained", "trained", "full", "a method for a test")
