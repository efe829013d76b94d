"""A model of which nothing can be masked says why, and what to do, wherever it is to be pruned."""

import keras
import numpy as np
import pytest

import tf_tickets as tt

L = keras.layers


def dense_model():
    return keras.Sequential([keras.Input((6,)), L.Dense(5, name="a"), L.Dense(3, name="b")], name="model")


def adapted():
    model = dense_model()
    for layer in model.layers:
        layer.enable_lora(2)
    return model


def quantized():
    model = dense_model()
    model.quantize("int8")
    return model


def of_other_layers():
    return keras.Sequential([keras.Input((6,)), L.Reshape((6, 1)), L.PReLU(name="slope")], name="model")


SAYS = {
    adapted: r"Left alone: model/a, model/b: LoRA is enabled\. model.save_weights\(path\) writes kernels w",
    quantized: r"Left alone: model/a, model/b: quantized \(int8\)\. Prune the float model, fold it, and quan",
    of_other_layers: r"Left alone: model/slope: PReLU has no maskable weight\. .*register_maskable",
}


@pytest.mark.parametrize("make", SAYS, ids=lambda make: make.__name__)
def test_says_why_and_what_to_do(make):
    with pytest.raises(
        ValueError, match=r"^Model 'model' has nothing to prune: no convolution.*" + SAYS[make]
    ):
        tt.prune(make(), "magnitude", 0.5)


@pytest.mark.parametrize(
    "act",
    [
        lambda model: tt.score(model, "magnitude"),
        lambda model: tt.keep_counts(model, 0.5),
        lambda model: tt.prune(dense_model(), "magnitude", 0.5).apply(model),
        tt.sparse_training.soft_threshold,
        lambda model: tt.sparse_training.edge_popup(model, 0.5),
    ],
    ids=["score", "keep_counts", "apply", "soft_threshold", "edge_popup"],
)
def test_whatever_is_asked_for(act):
    with pytest.raises(ValueError, match=SAYS[adapted]):
        act(adapted())


@pytest.mark.parametrize(
    "callback",
    [
        tt.callbacks.MagnitudePruning(0.5),
        tt.callbacks.IterativeMagnitudePruning(0.5, 1, 1),
        tt.callbacks.GradualMagnitudePruning(0.5),
    ],
    ids=lambda callback: type(callback).__name__,
)
def test_callbacks_when_training_begins(callback):
    model = adapted()
    model.compile("sgd", "mse")
    callback.set_model(model)
    callback.set_params({"epochs": 2, "steps": 1})
    with pytest.raises(ValueError, match=SAYS[adapted]):
        callback.on_train_begin()


def test_names_a_few_layers_of_many():
    model = keras.Sequential([keras.Input((4,)), *(L.PReLU(name=f"p{i}") for i in range(5))])
    with pytest.raises(ValueError, match=r"/p0, \S+/p1, \S+/p2 and 2 more: PReLU has no maskable weight"):
        tt.score(model, "magnitude")


def test_a_selection_that_leaves_nothing():
    pruning = tt.callbacks.MagnitudePruning(0.5, exclude=L.Dense)
    model = dense_model()
    pruning.set_model(model)
    pruning.set_params({"epochs": 1})
    with pytest.raises(ValueError, match=r"model/a, model/b: excluded\. Choose other layers by exclude="):
        pruning.on_train_begin()


def test_weights_of_adapters_are_merged_when_they_are_saved(tmp_path):
    """As the message says."""
    model = adapted()
    for layer in model.layers:
        layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    x = np.ones((2, 6), "float32")
    model.save_weights(tmp_path / "merged.weights.h5")
    plain = dense_model()
    plain.load_weights(tmp_path / "merged.weights.h5")
    np.testing.assert_allclose(plain(x), model(x), rtol=1e-5)
    assert tt.prune(plain, "magnitude", 0.5).total == 45
