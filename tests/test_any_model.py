"""Scoring, masking and pruning on models as users write them: right on each, and without a trace."""

import functools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.applications import efficientnet_v2
from keras.src.applications.convnext import ConvNeXt

import tf_tickets as tt
from tests.pruning.nets import assert_same
from tests.replicas import two_replicas
from tests.users_models import CASES, CLASSES, AddsLoss, Case, compiled, data, vectors
from tf_tickets.layers import prunable_weights
from tf_tickets.pruning import path_counts

pytestmark = pytest.mark.slow  # its trainings

# By the data's gradient, and without data.
SCORES = ("snip", "synflow")
# What a model is told of the order of its weights, so that it is traced just once.
REMEMBERED = {"_forward_order"}


def options(score, case):
    return {"grasp": {"temperature": case.temperature}, "obd": {"probes": 2}}.get(score, {})


def scored(model, case, score, batch=None, **more):
    """Scores of the case's data; SynFlow gets none."""
    batch = None if score == "synflow" else batch or data(case)
    return tt.score(model, score, data=batch, **options(score, case), **more)


# Cases whose models have run fit and predict before they are scored: each kind of call, of data, and XLA.
RUN_BEFORE = [
    CASES[name] for name in ("functional", "decorated by tf.function", "dict in, list out", "softmax")
]


def fitted(case):
    """A compiled model that has run fit and predict."""
    # Tracing a step of training takes longer than the step, and than all else; XLA longer than that.
    quick = {"jit_compile": False, "run_eagerly": True}
    model = compiled(case, metrics=None, **quick)
    model.fit(*data(case), verbose=0)
    model.run_eagerly = False
    model.predict(data(case)[0], verbose=0)
    return model


@pytest.fixture(scope="module", params=CASES)
def network(request):
    """A case, and its model after fit and predict, or after a call. Tests may mask and prune it."""
    case = CASES[request.param]
    keras.utils.set_random_seed(0)
    if case in RUN_BEFORE:
        return case, fitted(case)
    model = compiled(case)
    model.optimizer.build(model.trainable_variables)
    outputs(model, case)
    return case, model


def outputs(model, case):
    return [np.asarray(x) for x in keras.tree.flatten(model(data(case)[0], training=False))]


def all_variables(model):
    """Of the layers, metrics, losses and the optimizer."""
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def variables(model):
    return {id(variable): keras.ops.convert_to_numpy(variable) for variable in all_variables(model)}


def state(model):
    """Everything that could bear a trace."""
    layers = model._flatten_layers()
    return {
        "variables": list(variables(model).items()),
        "losses": [id(loss) for layer in layers for loss in layer._losses],
        "layers": [
            (
                id(layer),
                type(layer),
                layer.dtype_policy,
                layer.trainable,
                sorted(layer.__dict__.keys() - REMEMBERED),
            )
            for layer in layers
        ],
        "activations": [id(layer.__dict__.get("activation")) for layer in layers],
        "compiled": [
            model._compile_loss,
            model._compile_loss.built,
            model.train_function,
            model.predict_function,
        ],
        "metrics": [metric.name for metric in model.metrics],
        "random": [random.getstate(), np.random.get_state()[1].tolist()],  # noqa: NPY002
        "keras": [
            keras.config.floatx(),
            keras.config.dtype_policy(),
            tf.nn.moments,
            tf.distribute.get_strategy,
        ],
    }


def assert_state(model, before):
    now = state(model)
    for name, value in before.items():
        if name == "variables":
            assert [key for key, _ in now[name]] == [key for key, _ in value]
            assert_same([array for _, array in now[name]], [array for _, array in value])
        else:
            assert_same(now[name], value)


def of_everything():
    """Moving statistics, seeds, and losses of layers."""
    hidden = keras.layers.Dense(8, "tanh", activity_regularizer="l2", kernel_regularizer="l2")
    noise = [keras.layers.Dropout(0.5), keras.layers.GaussianNoise(0.1)]
    return keras.Sequential(
        [
            keras.Input((6,)),
            hidden,
            keras.layers.BatchNormalization(),
            *noise,
            AddsLoss(),
            keras.layers.Dense(CLASSES),
        ]
    )


@pytest.fixture(scope="module")
def afterwards():
    """Of a model that was not scored, and of the same one again that was: random numbers, and a training."""
    case, found = Case(of_everything, vectors, 2), []
    keras.utils.set_random_seed(0)
    quick = {"jit_compile": False, "run_eagerly": True}
    model = compiled(case, keras.optimizers.Adam(0.01), metrics=None, **quick)
    model.fit(*data(case), batch_size=3, verbose=0)
    before = list(variables(model).values())
    for scores in ((), SCORES):
        for variable, value in zip(all_variables(model), before, strict=True):
            variable.assign(value)
        keras.utils.set_random_seed(1)
        for score in scores:
            scored(model, case, score)
        drawn = (random.random(), np.random.random(), float(tf.random.uniform([])))  # noqa: NPY002
        history = model.fit(*data(case), batch_size=3, epochs=2, verbose=0, shuffle=True).history
        training = (history, model.get_weights(), outputs(model, case))
        found.append((drawn, training))
    return found


# Of normalisation and of attention, which are called otherwise for GraSP.
DIFFERENTIATED_TWICE = [CASES[name] for name in ("functional", "transformer")]


class TestNoTrace:
    def test_everything_is_what_it_was(self, network):
        case, model = network
        before = state(model)
        # SNIP's gradient is a part of GraSP's, which takes longest.
        for score in ("grasp" if case in DIFFERENTIATED_TWICE else "snip", "synflow"):
            arrays = scored(model, case, score)
            assert all(array.any() for array in arrays) or (score, case) == ("synflow", CASES["transformer"])
            assert_state(model, before)
        whole = [np.ones(entry.shape, bool) for entry in prunable_weights(model)]
        assert path_counts(model, whole) is not None
        assert_state(model, before)

    def test_training_goes_on_as_if_nothing_had_been(self, afterwards):
        assert_same(afterwards[1][1], afterwards[0][1])

    def test_global_random_states(self, afterwards):
        assert afterwards[1][0] == afterwards[0][0]


# Of these one for each network, in turn.
KINDS_OF_METHODS = [
    ("snip", {}),
    ("synflow", {"rounds": 2}),
    ("erk", {}),
    ("random", {"preserve_flow": True}),
    ("hybrid", {}),
]


class TestPruning:
    def test_masks_act_and_tickets_travel(self, network, tmp_path):
        case, model = network
        report = tt.mask_layers(model)
        assert len(report.masked) == case.masked
        assert set(report.left_alone) == set(tt.mask_layers(model).left_alone)
        total = sum(entry.size for entry in report.masked)
        method, more = KINDS_OF_METHODS[list(CASES.values()).index(case) % len(KINDS_OF_METHODS)]
        ticket = tt.prune(model, method, 0.4, data=data(case), **more)
        assert ticket.kept == round(0.6 * total)
        assert ticket.effective_sparsity is not None and ticket.effective_sparsity >= ticket.sparsity
        sparse = outputs(model, case)
        if case in RUN_BEFORE:
            predicted = keras.tree.flatten(model.predict(data(case)[0], verbose=0))
            for found, x in zip(predicted, sparse, strict=True):
                np.testing.assert_allclose(found, x, rtol=1e-4, atol=1e-5)

        ticket.save(tmp_path / "ticket.npz")
        fresh = case.build()
        tt.Ticket.load(tmp_path / "ticket.npz").apply(fresh)
        assert_same([np.asarray(entry.mask) for entry in tt.masked_weights(fresh)], list(ticket.masks))

        tt.fold(model)
        for found, x in zip(outputs(model, case), sparse, strict=True):
            np.testing.assert_allclose(found, x, rtol=1e-4, atol=1e-5)
        for entry, mask in zip(prunable_weights(model), ticket.masks, strict=True):
            assert not np.asarray(entry.weight)[~mask].any()

    def test_what_is_left_alone_is_named_with_its_reason(self):
        reasons = dict(tt.mask_layers(CASES["transformer"].build()).left_alone)
        assert [path.rstrip("_0123456789") for path in reasons] == [
            "embedding",
            "layer_normalization",
            "layer_normalization",
        ]
        assert "Embedding is masked only where include= names it" in reasons.values()
        assert "LayerNormalization has no maskable weight" in reasons.values()

    def test_include_and_exclude_take_layers_classes_predicates_and_lists(self):
        def shapes(**selection):
            model = CASES["functional"].build()
            selection = {key: choose(model) for key, choose in selection.items()}
            return [entry.shape for entry in tt.mask_layers(model, **selection).masked]

        conv, pointwise, dense = (3, 3, 2, 4), (1, 1, 4, 5), (5, 3)
        depthwise = (3, 3, 4, 1)
        convolution, separable = keras.layers.Conv2D, keras.layers.SeparableConv2D
        assert shapes() == [conv, pointwise, dense]
        assert shapes(exclude=lambda m: m.layers[-1]) == [conv, pointwise]
        assert shapes(include=lambda m: m.layers[-1]) == [dense]
        assert shapes(include=lambda m: separable) == [depthwise, pointwise]
        assert shapes(exclude=lambda m: lambda x: type(x) is convolution) == [pointwise, dense]
        assert shapes(include=lambda m: [m.layers[-1], convolution]) == [conv, dense]
        assert shapes(include=lambda m: m, exclude=lambda m: [separable]) == [conv, dense]


class TestForwardOrder:
    def test_is_that_of_the_data(self):
        order = [entry.shape for entry in prunable_weights(CASES["subclassed"].build())]
        assert order == [(6, 7), (7, 5), (5, 3)]

    def test_of_a_model_traced_by_tensorflow_before_and_after_masking(self):
        case = CASES["decorated by tf.function"]
        model = fitted(case)
        x = data(case)[0]
        dense = model.predict(x, verbose=0)
        assert len(tt.mask_layers(model).masked) == 3
        np.testing.assert_allclose(model(x), dense, rtol=1e-5)
        ticket = tt.prune(model, "random", 0.9)
        assert not np.allclose(model(x), dense)
        assert [entry.shape for entry in tt.masked_weights(model)] == [mask.shape for mask in ticket.masks]
        tt.fold(model)
        sparse = np.asarray(model(x))
        tt.prune(model, "random", 0.0)
        np.testing.assert_allclose(model(x), sparse, rtol=1e-5)


class TestSharedWeights:
    def test_are_scored_by_all_their_uses(self):
        model = CASES["shared layer"].build()
        x, y = data(CASES["shared layer"])
        twice, last = model.layers[-2:]
        with tf.GradientTape() as tape:
            logits = last(twice(twice(x)))
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        expected = np.abs(twice.kernel * tape.gradient(loss, twice.kernel.value))
        np.testing.assert_allclose(tt.score(model, "snip", data=(x, y))[0], expected, rtol=1e-5, atol=1e-8)


# A case, the policy of its twin, and a score to take of both.
MIXED = [
    ("functional", "mixed_float16", "snip"),
    ("nested", "mixed_float16", "grasp"),
    ("subclassed", "mixed_bfloat16", "snip"),
    ("own layer", "mixed_float16", "synflow"),
]


class TestDtypes:
    @pytest.fixture
    def policy(self):
        before = keras.config.dtype_policy()
        yield keras.config.set_dtype_policy
        keras.config.set_dtype_policy(before)

    @pytest.mark.parametrize(("name", "mixed", "score"), MIXED)
    def test_mixed_models_score_as_float32_models(self, name, mixed, score, policy):
        case = CASES[name]
        single = compiled(case)
        policy(mixed)
        model = compiled(case)
        policy("float32")
        for variable, value in zip(model.variables, single.variables, strict=True):
            variable.assign(value)
        for found, expected in zip(scored(model, case, score), scored(single, case, score), strict=True):
            assert found.dtype == expected.dtype and found.any()
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
        ticket = tt.prune(model, "magnitude", 0.5)
        sparse = outputs(model, case)
        assert all(np.isfinite(x.astype("float32")).all() for x in sparse)
        assert_same(
            [x.astype("float32") for x in outputs(tt.fold(model), case)],
            [x.astype("float32") for x in sparse],
        )
        assert ticket.effective_sparsity is not None

    @pytest.mark.parametrize(
        ("dtype", "score"),
        [("float64", "snip"), ("float16", "snip"), ("bfloat16", "snip")],
    )
    def test_weights_of_every_dtype(self, dtype, score, policy):
        case = CASES["nested"]
        keras.utils.set_random_seed(0)
        single = compiled(case)
        policy(dtype)
        model = case.build()
        policy("float32")
        model.compile("sgd", **case.compile)
        model.set_weights(single.get_weights())
        single.set_weights([np.asarray(x).astype("float32") for x in model.get_weights()])
        arrays = scored(model, case, score)
        assert {array.dtype.name for array in arrays} == {"float64" if dtype == "float64" else "float32"}
        for found, expected in zip(arrays, scored(single, case, score), strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
        total = sum(array.size for array in arrays)
        assert tt.prune(model, "synflow", 0.5, rounds=2).kept == round(0.5 * total)


# Each kind of data, labels, loss and call.
ALONE = {
    name: CASES[name]
    for name in (
        "sequential",
        "decorated by tf.function",
        "dicts in and out",
        "dict in, list out",
        "uint8 pixels",
        "losses of layers",
        "softmax",
    )
}


class TestBatches:
    @pytest.mark.parametrize("case", ALONE.values(), ids=ALONE)
    def test_may_be_cut_anywhere(self, case):
        model = compiled(case)
        x, y = data(case)

        def rows(start, stop):
            return keras.tree.map_structure(lambda part: part[start:stop], (x, y))

        # Of each size of a batch there is a trace.
        cut = 1 if case is CASES["sequential"] else 3
        whole = tt.score(model, "snip", data=(x, y))
        parts = tt.score(model, "snip", data=[rows(0, cut), rows(cut, 6)])
        for found, expected in zip(parts, whole, strict=True):
            np.testing.assert_allclose(
                found, 2 * expected, rtol=0, atol=1e-5 * np.abs(expected).max() + 1e-12
            )


class TestReplicas:
    """Scores are of one whole batch, however many replicas the model lives on."""

    def test_two_are_as_one(self):
        case = CASES["functional"]
        keras.utils.set_random_seed(0)
        single = compiled(case)
        with two_replicas().scope():
            mirrored = compiled(case, jit_compile=False)
        mirrored.set_weights(single.get_weights())
        for score in ("synflow", "snip"):
            expected = scored(single, case, score)
            with two_replicas().scope():
                assert_same(scored(mirrored, case, score), expected)
        assert_same(scored(mirrored, case, score), expected)
        tickets = [tt.prune(model, "magnitude", 0.5) for model in (single, mirrored)]
        assert_same(tickets[1].masks, tickets[0].masks)
        assert tickets[1].on_path == tickets[0].on_path


BLOCKS = [efficientnet_v2.DEFAULT_BLOCKS_ARGS["efficientnetv2-b0"][i] for i in (0, 3)]


# Name -> builder as Keras has it, with a block or two of each of its kinds.
APPLICATIONS = {
    "EfficientNetV2": functools.partial(
        efficientnet_v2.EfficientNetV2, 0.5, 0.1, 32, blocks_args=BLOCKS, name="efficientnetv2-b0"
    ),
    "ConvNeXt": functools.partial(ConvNeXt, (1, 1, 0, 0), (8, 12, 16, 16)),
}


class TestApplications:
    """Networks of the kinds that are shipped, with a softmax at the end."""

    @pytest.mark.parametrize("name", APPLICATIONS)
    def test_are_pruned(self, name):
        model = APPLICATIONS[name](weights=None, input_shape=(32, 32, 3), classes=4)
        rng = np.random.default_rng(0)
        x = rng.uniform(0, 255, (4, 32, 32, 3)).astype("float32")
        total = sum(entry.size for entry in tt.mask_layers(model).masked)
        ticket = tt.prune(model, "random", 0.9, preserve_flow=True)
        assert ticket.kept == round(0.1 * total)
        assert ticket.effective_sparsity is not None and 0.89 < ticket.effective_sparsity < 0.92
        sparse = np.asarray(model(x, training=False))
        np.testing.assert_allclose(tt.fold(model)(x, training=False), sparse, rtol=1e-4, atol=1e-6)


def test_logits_score_as_probabilities_do():
    def convolutional(activation=None):
        x = inputs = keras.Input((5, 5, 3))
        x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.Model(inputs, keras.layers.Dense(4, activation)(x))

    logits, softmax = convolutional(), convolutional("softmax")
    softmax.set_weights(logits.get_weights())
    batch = np.random.default_rng(0).normal(size=(4, 5, 5, 3)).astype("float32"), np.arange(4)
    assert_same(tt.score(softmax, "synflow"), tt.score(logits, "synflow"))
    assert_same(
        tt.score(softmax, "snip", data=batch, training=False),
        tt.score(logits, "snip", data=batch, training=False),
    )
    assert tt.prune(softmax, "synflow", 0.9, rounds=10).effective_sparsity < 0.91
