"""A target inside a random source: the same output, masks within the source's, as often as promised."""

import json
import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tests.smallnet import FIXTURES
from tf_tickets import theory

PUBLISHED = json.loads((FIXTURES / "er_theory.json").read_text())["representation"]
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
DELTA = 0.1


def dense(dtype="float32"):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((5,), dtype=dtype),
            layers.Dense(8, "relu", dtype=dtype),
            layers.Dense(6, "relu", dtype=dtype),
            layers.Dense(3, dtype=dtype),
        ]
    )


def convolutional(dtype="float32"):
    layers = keras.layers
    inputs = x = keras.Input((8, 8, 2), dtype=dtype)
    x = layers.Conv2D(3, 3, padding="same", dtype=dtype)(x)
    x = layers.ReLU(dtype=dtype)(x)
    x = layers.MaxPooling2D(dtype=dtype)(x)
    x = layers.Conv2D(4, 3, strides=2, use_bias=False, activation="relu", dtype=dtype)(x)
    x = layers.Flatten(dtype=dtype)(x)
    x = layers.Dense(3, "softmax", dtype=dtype)(x)
    return keras.Model(inputs, x)


def flattened(dtype="float32"):
    layers = keras.layers
    inputs = x = keras.Input((3, 3, 1), dtype=dtype)
    x = layers.Flatten(dtype=dtype)(x)
    x = layers.Dense(4, "tanh", dtype=dtype)(x)
    x = layers.Dropout(0.5, dtype=dtype)(x)
    x = layers.Dense(2, dtype=dtype)(x)
    return keras.Model(inputs, layers.Softmax(dtype=dtype)(x))


def in_time(dtype="float32"):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((9, 2), dtype=dtype),
            layers.Conv1D(3, 3, dilation_rate=2, activation="relu", dtype=dtype),
            layers.Dense(4, "relu", dtype=dtype),
            layers.Conv1D(4, 2, padding="causal", activation="relu", dtype=dtype),
            layers.Flatten(dtype=dtype),
            layers.Dense(2, dtype=dtype),
        ]
    )


TARGETS = {net.__name__: net for net in (dense, convolutional, flattened, in_time)}


def drawn(model, seed=0):
    """The model with random weights and biases."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        fan_in = max(1, math.prod(weight.shape[:-1]))
        weight.assign(rng.normal(size=weight.shape) / math.sqrt(fan_in))
    return model


def inputs_of(model, lowest=0.0, examples=20):
    shape = (examples, *model.input_shape[1:])
    return np.random.default_rng(1).uniform(lowest, 1, shape).astype(model.inputs[0].dtype)


def difference(model, other, inputs):
    return np.abs(np.array(model(inputs)) - np.array(other(inputs))).max()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", TARGETS)
def test_the_embedded_network_has_the_targets_output(name, dtype):
    target = drawn(TARGETS[name](dtype))
    embedding = theory.embed_target(target, density=0.6, seed=1)
    assert embedding.success
    model = embedding.build()
    assert model.output_shape == target.output_shape
    assert all(isinstance(entry.layer, tt.layers.Masked) for entry in tt.masked_weights(model))
    assert difference(target, model, inputs_of(target)) < TOLERANCE[dtype]
    assert difference(target, tt.fold(model), inputs_of(target)) < TOLERANCE[dtype]


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_masks_lie_within_the_random_ones_and_carry_the_targets_weights(name):
    target = drawn(TARGETS[name]())
    embedding = theory.embed_target(target, density=0.6, seed=2)
    kernels = [np.asarray(layer.kernel) for layer in target.layers if hasattr(layer, "kernel")]
    values = [np.ones(1, "float32"), *kernels]
    for source, mask, kernel, of_target in zip(
        embedding.source_masks, embedding.masks, embedding.kernels, values, strict=True
    ):
        assert mask.dtype == source.dtype == bool and mask.shape == source.shape == kernel.shape
        assert not (mask & ~source).any()
        assert not kernel[~mask].any()
        assert set(np.unique(kernel[mask])) == set(np.unique(of_target))
    assert embedding.source_shapes == tuple(mask.shape for mask in embedding.source_masks)
    model = embedding.build()
    for entry, mask in zip(tt.masked_weights(model), embedding.masks, strict=True):
        np.testing.assert_array_equal(np.asarray(entry.mask), mask)


@pytest.mark.slow
@settings(max_examples=5)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    density=st.floats(0.3, 1.0),
    kept=st.floats(0.0, 1.0),
    lowest=st.floats(-2, 2),
    seed=st.integers(0, 100),
)
def test_any_small_perceptron_that_is_found_has_the_targets_output(sizes, density, kept, lowest, seed):
    rng = np.random.default_rng(seed)
    layers = [keras.layers.Dense(size, "relu", dtype="float64") for size in sizes[1:]]
    target = keras.Sequential([keras.Input((sizes[0],), dtype="float64"), *layers])
    target.set_weights([rng.normal(size=w.shape) * (rng.random(w.shape) < kept) for w in target.weights])
    embedding = theory.embed_target(target, density, seed=seed, lowest=lowest)
    if embedding.success:
        inputs = rng.uniform(lowest, lowest + 2, (8, sizes[0]))
        assert difference(target, embedding.build(), inputs) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("density", [0.5, 0.3])
def test_sources_of_the_required_widths_hold_their_target_as_often_as_promised(density):
    target, trials = drawn(dense()), 40
    found = [theory.embed_target(target, density, DELTA, seed=seed) for seed in range(trials)]
    (published,) = (row["q"] for row in PUBLISHED if row["p"] == density and row["uses_p_squared_for_layer1"])
    assert {embedding.widths.factors for embedding in found} == {tuple(published)}
    complete = sum(embedding.every_copy_is_complete for embedding in found) / trials
    success = sum(embedding.success for embedding in found) / trials
    assert success >= complete >= 1 - DELTA - 3 * math.sqrt(DELTA * (1 - DELTA) / trials)


def test_forgetting_that_the_edge_into_a_copy_is_random_makes_the_widths_too_small():
    (row,) = (row for row in PUBLISHED if row["p"] == 0.3 and not row["uses_p_squared_for_layer1"])
    target = drawn(dense())
    found = [
        theory.embed_target(target, 0.3, seed=seed, factors=row["q"][:-1]).every_copy_is_complete
        for seed in range(20)
    ]
    assert not any(found)


@pytest.mark.slow
def test_a_trained_target_is_embedded():
    keras.utils.set_random_seed(0)
    target = dense()
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (64, 5)).astype("float32")
    target.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    target.fit(x, np.stack([x.sum(1), x.max(1), x[:, 0] * x[:, 1]], 1), epochs=3, verbose=0)
    embedding = theory.embed_target(target, density=0.5, seed=3, lowest=-1.0)
    assert embedding.success
    assert difference(target, embedding.build(), x) < 1e-5


@pytest.mark.slow
def test_inputs_below_the_lowest_are_not_promised():
    target = drawn(dense())
    model = theory.embed_target(target, density=0.6, seed=1, lowest=-1.0).build()
    assert difference(target, model, inputs_of(target, lowest=-1.0)) < 1e-5
    assert difference(target, model, inputs_of(target, lowest=-3.0)) > 1e-2


@pytest.mark.slow
def test_a_pruned_target_takes_a_narrower_source():
    target = drawn(dense())
    before = theory.embed_target(target, density=0.5)
    tt.prune(target, "random", sparsity=0.8).apply(target)
    embedding = theory.embed_target(target, density=0.5, seed=1)
    assert embedding.widths.widths[1] < before.widths.widths[1]
    assert difference(target, embedding.build(), inputs_of(target)) < 1e-5


class Doubled(tt.layers.Parametrization):
    """A parametrization of weights, as methods that train inside a mask have them."""

    def __call__(self, weight, mask):
        return 2 * tt.layers.masked_value(weight, mask)


@pytest.mark.slow
def test_the_weights_are_those_that_the_target_computes_with():
    target = drawn(dense())
    for entry in tt.mask_layers(target).masked:
        tt.layers.attach_parametrization(entry.layer, "_kernel", Doubled())
    embedding = theory.embed_target(target, density=0.6, seed=1)
    assert difference(target, embedding.build(), inputs_of(target)) < 1e-5


@pytest.mark.slow
def test_copies_that_lack_edges_are_passed_over_behind_a_flattening_too():
    layers = keras.layers
    target = drawn(
        sequential(layers.Conv2D(3, 2, activation="relu"), layers.Flatten(), layers.Dense(2), shape=(3, 3, 2))
    )
    found = (theory.embed_target(target, 0.7, seed=seed, factors=(3, 6)) for seed in range(60))
    passed_over = [x for x in found if x.success and not x.complete[1][:, 0].all()]
    assert len(passed_over) > 3
    for embedding in passed_over:
        for mask, source in zip(embedding.masks, embedding.source_masks, strict=True):
            assert not (mask & ~source).any()
    for embedding in passed_over[:3]:
        assert difference(target, embedding.build(), inputs_of(target)) < 1e-5


def test_the_target_is_left_as_it_was():
    target = drawn(dense())
    before = [np.asarray(weight) for weight in target.weights]
    theory.embed_target(target, density=0.6, seed=1).build()
    for weight, value in zip(target.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), value)
    assert not tt.masked_weights(target)


def test_a_source_masks_density_is_that_of_its_layer():
    embedding = theory.embed_target(drawn(dense()), density=(0.9, 0.7, 0.5, 0.3))
    for mask, density in zip(embedding.source_masks, (0.9, 0.7, 0.5, 0.3), strict=True):
        assert abs(mask.mean() - density) <= 4 * math.sqrt(density * (1 - density) / mask.size)
    assert embedding.densities == (0.9, 0.7, 0.5, 0.3)


def test_the_seed_decides():
    target = drawn(dense())
    first, again, other = (theory.embed_target(target, 0.5, seed=seed).source_masks for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


class TestFailure:
    def test_it_says_where_the_source_gives_out(self):
        embedding = theory.embed_target(drawn(dense()), density=0.5, seed=0, factors=(40, 1, 1))
        assert not embedding.success and embedding.masks == embedding.kernels == embedding.biases == ()
        assert "of 6 neurons have no copy with an edge for each connection" in embedding.failure
        with pytest.raises(ValueError, match=r"does not hold the target: in layer .* of 6 neurons .*seed"):
            embedding.build()

    def test_an_input_without_an_edge(self):
        embedding = theory.embed_target(drawn(dense()), density=0.3, seed=0, factors=(1, 30, 20))
        assert "of 5 inputs have no copy with an edge" in embedding.failure

    @pytest.mark.slow
    def test_a_neuron_that_nothing_reads_may_be_lost(self):
        target = drawn(dense())
        kernel = np.asarray(target.layers[1].kernel)
        kernel[0] = 0  # the second layer does not read the first neuron
        target.layers[1].kernel.assign(kernel)
        found = (theory.embed_target(target, 0.8, seed=seed, factors=(3, 1, 20)) for seed in range(200))
        lossy = next(x for x in found if x.success and not x.complete[1][0].any())
        assert difference(target, lossy.build(), inputs_of(target)) < 1e-5


def subclassed():
    class Net(keras.Model):
        def call(self, inputs):
            return inputs

    return Net()


def with_residual():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Add()([keras.layers.Dense(4)(inputs), inputs]))


def with_two_inputs():
    inputs = [keras.Input((4,)), keras.Input((4,))]
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Add()(inputs)))


def with_an_operation():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(2)(keras.ops.relu(keras.layers.Dense(4)(inputs))))


def with_a_shared_layer():
    inputs, layer = keras.Input((4,)), keras.layers.Dense(4, name="shared")
    return keras.Model(inputs, layer(layer(inputs)))


def sequential(*layers, shape=(4,)):
    return keras.Sequential([keras.Input(shape), *layers])


def with_nan():
    model = sequential(keras.layers.Dense(2))
    model.layers[0].kernel.assign(np.full((4, 2), np.nan))
    return model


LAYERS = keras.layers


class TestErrors:
    def test_a_target_that_is_no_model(self):
        with pytest.raises(TypeError, match=r"keras.Model. Received: ndarray"):
            theory.embed_target(np.ones(3), 0.5)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (subclassed, "one chain"),
            (lambda: keras.Sequential([LAYERS.Dense(2)]), "not built"),
            (with_residual, "joins 2 tensors"),
            (with_two_inputs, "2 inputs and 1 outputs"),
            (with_an_operation, "is an operation, no layer"),
            (with_a_shared_layer, "'shared' .* more than once"),
            (with_nan, "not finite"),
            (lambda: sequential(LAYERS.ReLU()), "no layer of Dense"),
            (lambda: sequential(LAYERS.Dense(3), LAYERS.BatchNormalization()), "Fold batch normalisation"),
            (lambda: sequential(sequential(LAYERS.Dense(3)), LAYERS.Dense(2)), "layers of a nested model"),
            (lambda: sequential(LAYERS.Dense(4, "softmax"), LAYERS.Dense(2)), "activation 'softmax'.*relu"),
            (lambda: sequential(LAYERS.Dense(4), LAYERS.Softmax(), LAYERS.Dense(2)), "Softmax.*can be: "),
            (lambda: sequential(LAYERS.Conv2D(4, 1, groups=2), shape=(3, 3, 2)), "2 groups"),
            (
                lambda: sequential(
                    LAYERS.MaxPooling2D(data_format="channels_first"), LAYERS.Conv2D(4, 1), shape=(2, 4, 4)
                ),
                "channels first",
            ),
        ],
    )
    def test_a_target_that_cannot_be_copied_is_named(self, make, words):
        with pytest.raises(ValueError, match=words):
            theory.embed_target(make(), 0.5)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"density": 0}, r"density .*Received: 0"),
            ({"density": 1.01}, r"density .*Received: 1.01"),
            ({"density": (0.5, 0.5, 0.5)}, "3 entries, and the source 4 layers"),
            ({"delta": 0}, r"delta .*Received: 0"),
            ({"delta": 1.0}, r"delta .*Received: 1.0"),
            ({"seed": -1}, "non-negative"),
            ({"lowest": -math.inf}, "lowest .*Received: -inf"),
            ({"factors": (3, 3)}, "factors is a list of 3"),
            ({"factors": (3, 0, 3)}, r"factors\[1\] .*Received: 0"),
            (
                {"max_weights": 10_000},
                r"\(5, 170, 112, 60, 3\) and 26,790 weights, more than .*=10,000",
            ),
            ({"max_weights": 0}, "max_weights .*Received: 0"),
        ],
    )
    def test_an_argument_out_of_range_is_named(self, arguments, words):
        with pytest.raises(ValueError, match=words):
            theory.embed_target(drawn(dense()), **{"density": 0.5, **arguments})

    def test_shifted_copies_meet_no_padding(self):
        with pytest.raises(ValueError, match=r"pads its input with zeros.*lowest=-1"):
            theory.embed_target(drawn(convolutional()), 0.6, lowest=-1.0)
