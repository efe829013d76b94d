"""What is served: the model's outputs, whatever its layers, with sparse kernels wherever they exist."""

import keras
import numpy as np
import pytest

from tests.compaction import networks
from tests.serving.in_process import function_of
from tf_tickets.compaction.graph import graph_of
from tf_tickets.compaction.output_difference import largest_difference
from tf_tickets.serving import batch_last
from tf_tickets.serving.execution import Execution
from tf_tickets.serving.kernels import DENSE, KERNELS, kernels_for
from tf_tickets.serving.layouts import BATCH_LAST
from tf_tickets.serving.plans import sparse_layers

LAYERS = keras.layers


def all_sparse(model, most=9):
    """A plan with the most unrolled kernels there are, of at most so many axes."""
    plan = {}
    for layer in sparse_layers(graph_of(model)):
        names = kernels_for(layer.convolutions, layer.nonzeros, batch=1000)
        plan[layer.name] = [name for name in names if (KERNELS[name].unrolled or 0) <= most][-1]
    return plan


def assert_served(model, plan):
    serve = function_of(model, plan)
    assert largest_difference(model, lambda inputs, training: serve(inputs)) < 5e-5


def sparse(model, density=0.1, seed=0):
    networks.settle(model, np.random.default_rng(seed), density)
    return model


QUICK = (0, 4, 6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", QUICK)
def test_random_networks(seed):
    model = networks.network(seed)
    assert_served(model, all_sparse(model, most=seed % 3))


@pytest.mark.slow
@pytest.mark.parametrize("seed", (1, 5, 7, 10, 14))
def test_more_random_networks(seed):
    model = networks.network(seed)
    assert_served(model, all_sparse(model, most=seed % 3))


def layer_with_the_batch_last(kind):
    """A layer of the table, made with what it needs."""
    needs = {
        LAYERS.Activation: {"activation": "relu"},
        LAYERS.Rescaling: {"scale": 2.0, "offset": 1.0},
        LAYERS.GaussianNoise: {"stddev": 1.0},
        LAYERS.AveragePooling1D: {"pool_size": 2},
        LAYERS.AveragePooling2D: {"pool_size": 2},
        LAYERS.AveragePooling3D: {"pool_size": 2},
        LAYERS.BatchNormalization: {"epsilon": 0.1},
    }
    return kind(**needs.get(kind, {"rate": 0.5} if "Dropout" in kind.__name__ else {}))


class TestLayersWithTheBatchLast:
    @pytest.mark.parametrize(
        "kind",
        [kind for kind in batch_last.LAYERS if issubclass(kind, LAYERS.Layer)],
        ids=lambda kind: kind.__name__,
    )
    def test_each_layer_of_the_table_follows_a_sparse_kernel(self, kind):
        name = kind.__name__
        rank = int(name[-2]) if name.endswith("D") and name[-2].isdigit() else 2
        x = inputs = keras.Input((6,) * rank + (4,))
        convolution = {1: LAYERS.Conv1D, 2: LAYERS.Conv2D, 3: LAYERS.Conv3D}[rank]
        x = convolution(4, 3, padding="same", name="before")(x)
        layer = layer_with_the_batch_last(kind)
        merges = issubclass(kind, LAYERS.Add.__base__)
        x = layer([x, convolution(4, 3, padding="same", name="beside")(inputs)] if merges else x)
        model = sparse(keras.Model(inputs, x))
        plan = all_sparse(model)
        assert all(step.layout == BATCH_LAST for step in Execution(graph_of(model)).steps(plan)[0])
        assert_served(model, plan)

    @pytest.mark.parametrize(
        "call",
        [
            lambda x: keras.ops.relu(x + 1),
            lambda x: 2 * x - keras.ops.abs(x),
            lambda x: x * keras.ops.sigmoid(x),
            lambda x: keras.ops.clip(x, -1, 1),
        ],
    )
    def test_operations_too(self, call):
        inputs = keras.Input((6, 6, 3))
        model = sparse(keras.Model(inputs, call(LAYERS.Conv2D(4, 3)(inputs))))
        plan = all_sparse(model)
        assert all(step.layout == BATCH_LAST for step in Execution(graph_of(model)).steps(plan)[0])
        assert_served(model, plan)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "call",
        [
            LAYERS.Softmax(),
            LAYERS.Activation("softmax"),
            LAYERS.LayerNormalization(),
            LAYERS.Reshape((16, 4)),
            LAYERS.Permute((2, 1, 3)),
            LAYERS.PReLU(),
            LAYERS.DepthwiseConv2D(3),
            LAYERS.Conv2DTranspose(3, 3),
            LAYERS.MaxPooling2D(data_format="channels_first"),
            LAYERS.BatchNormalization(axis=1),
            LAYERS.Rescaling([1.0, 2.0, 3.0, 4.0]),
            lambda x: x + np.arange(4, dtype="float32"),
            lambda x: x * LAYERS.GlobalAveragePooling2D()(x)[:, None, None],
            lambda x: LAYERS.Add()([x, LAYERS.Dense(4)(LAYERS.GlobalAveragePooling2D()(x))]),
        ],
    )
    def test_others_are_called_as_keras_calls_them(self, call):
        inputs = keras.Input((6, 6, 3))
        x = LAYERS.Conv2D(4, 3)(inputs)
        model = sparse(
            keras.Model(inputs, LAYERS.Conv2D(3, 1)(call(x)) if len(call(x).shape) == 4 else call(x))
        )
        assert_served(model, all_sparse(model))

    def test_a_tensor_is_transposed_once(self):
        inputs = keras.Input((6, 6, 3), name="images")
        a, b = LAYERS.Conv2D(4, 3, name="a")(inputs), LAYERS.Conv2D(4, 3, name="b")(inputs)
        execution = Execution(graph_of(keras.Model(inputs, LAYERS.ReLU()(LAYERS.Add()([a, b])))))
        assert not execution.steps({})[1]
        assert len(execution.steps({"a": "rows", "b": "rows"})[1]) == 2  # the input, the output
        assert len(execution.steps({"a": "rows"})[1]) == 3


class TestModels:
    @pytest.mark.slow
    def test_of_a_shared_layer_on_several_sizes(self):
        inputs = keras.Input((8, 8, 3))
        shared = LAYERS.Conv2D(3, 3, padding="same", name="shared")
        x = shared(LAYERS.MaxPooling2D()(shared(inputs)))
        model = sparse(keras.Model(inputs, x))
        plan = all_sparse(model)
        assert plan == {"shared": "full"}
        assert_served(model, plan)

    @pytest.mark.slow
    def test_of_images_of_any_size(self):
        inputs = keras.Input((None, None, 3))
        x = LAYERS.Conv2D(4, 3, padding="same", activation="relu")(inputs)
        x = LAYERS.Conv2D(5, 3, strides=2)(LAYERS.MaxPooling2D()(x))
        model = sparse(keras.Model(inputs, LAYERS.GlobalAveragePooling2D()(x)))
        assert set(all_sparse(model).values()) == {"patches"}
        assert_served(model, all_sparse(model))

    @pytest.mark.slow
    def test_of_masks_of_keras(self):
        """What is masked goes as Keras calls it, so that its mask is found further on."""
        inputs = keras.Input((7,), dtype="int32")
        x = LAYERS.Embedding(9, 6, mask_zero=True)(inputs)
        x = LAYERS.LSTM(5)(LAYERS.Dense(6, name="within")(x))
        model = sparse(keras.Model(inputs, LAYERS.Dense(4, name="after")(x)), 0.3)
        plan = all_sparse(model)
        assert plan == {"after": "patches"}
        assert_served(model, plan)

    @pytest.mark.slow
    def test_of_several_inputs_and_outputs(self):
        inputs = {"a": keras.Input((6, 6, 3), name="a"), "b": keras.Input((6,), name="b")}
        x = LAYERS.Flatten()(LAYERS.Conv2D(4, 3)(inputs["a"]))
        y = LAYERS.Concatenate()([x, LAYERS.Dense(5)(inputs["b"])])
        model = keras.Model(inputs, {"x": x, "deep": [LAYERS.Dense(3)(y), y]})
        assert_served(sparse(model), all_sparse(model))

    @pytest.mark.slow
    def test_of_models_within(self):
        inner = keras.Sequential(
            [keras.Input((6, 6, 4)), LAYERS.Conv2D(4, 3), LAYERS.Flatten()], name="inner"
        )
        model = keras.Sequential([keras.Input((6, 6, 2)), LAYERS.Conv2D(4, 3, padding="same"), inner])
        assert_served(sparse(model), all_sparse(model))

    @pytest.mark.slow
    def test_in_mixed_precision_only_what_is_in_float32_is_sparse(self):
        inputs = keras.Input((6, 6, 3))
        x = LAYERS.Conv2D(4, 3, name="whole")(inputs)
        x = LAYERS.Conv2D(4, 3, dtype="mixed_bfloat16", name="half")(LAYERS.ReLU(dtype="mixed_bfloat16")(x))
        model = sparse(keras.Model(inputs, x))
        assert all_sparse(model) == {"whole": "full"}
        serve = function_of(model, all_sparse(model))
        assert largest_difference(model, lambda inputs, training: serve(inputs)) < 0.05

    def test_an_activation_that_is_not_pointwise(self):
        inputs = keras.Input((6, 6, 3))
        model = sparse(keras.Model(inputs, LAYERS.Conv2D(4, 3, activation="softmax")(inputs)))
        assert_served(model, all_sparse(model))

    @pytest.mark.slow
    def test_a_layer_without_any_weight_left(self):
        inputs = keras.Input((6, 6, 3))
        model = keras.Model(inputs, LAYERS.Conv2D(4, 3, bias_initializer="ones")(inputs))
        model.layers[-1].kernel.assign(np.zeros((3, 3, 3, 4)))
        assert DENSE not in all_sparse(model).values()
        assert_served(model, all_sparse(model))
