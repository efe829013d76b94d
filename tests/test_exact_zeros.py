"""No pruned weight contributes, whatever trains the network; and what is written holds exactly what is kept.

Every case trains the same net twice from the same kept weights, once with zeros in what the masks hide and
once with a million there, and finds the same network to the bit. Then the zeros are baked in and counted.
"""

import contextlib
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.replicas import two_replicas
from tf_tickets.callbacks import reset_optimizer
from tf_tickets.layers import prunable_weights, restore_weights, save_weights
from tf_tickets.training import SGD, Trainer

OPTIMIZERS = {
    "sgd": lambda: SGD(0.1, momentum=0.9, weight_decay=1e-2),
    "sgd, clipped": lambda: SGD(0.1, momentum=0.9, nesterov=True, clipnorm=0.1),
    "adam, averaged": lambda: keras.optimizers.Adam(
        0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
    ),
    # Under two replicas Keras cannot put the averages in on the way, only at the end.
    "adam, averaged at the end": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5),
    "adamw, clipped": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1, global_clipnorm=0.1),
}

# Net, optimizer, dtype, loop, replicas: each of them at least once. XLA compiles `sequential`.
CASES = [
    ("sequential", "sgd", "float32", "fit", 1),
    ("nested", "adam, averaged", "mixed_float16", "fit", 1),
    ("functional", "sgd, clipped", "mixed_bfloat16", "trainer", 1),
    ("sequential", "adamw, clipped", "float64", "trainer", 1),
    ("shared", "adam, averaged at the end", "float32", "fit", 2),
    ("sequential", "sgd", "mixed_float16", "trainer", 2),
]


@contextlib.contextmanager
def policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def by_fit(model, optimizer, strategy):
    nets.compiled(
        model, optimizer, jit_compile=model.name == "sequential", run_eagerly=model.name == "nested"
    )
    x, y = nets.inputs_of(model, count=22)
    return lambda: model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)


def by_trainer(model, optimizer, strategy):
    trainer = Trainer(model, optimizer, strategy)
    x, y = nets.inputs_of(model, count=22)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    return lambda: trainer.fit(lambda epochs, _: batches.repeat(len(epochs)), range(2), 3)


LOOPS = {"fit": by_fit, "trainer": by_trainer}


@pytest.mark.slow
@pytest.mark.parametrize(("net", "optimizer", "dtype", "loop", "replicas"), CASES)
def test_what_is_hidden_never_contributes(net, optimizer, dtype, loop, replicas):
    strategy = two_replicas() if replicas == 2 else tf.distribute.get_strategy()
    with strategy.scope(), policy(dtype):
        model = nets.build(net)
        ticket = tt.prune(model, "random", 0.5, seed=1)
        train = LOOPS[loop](model, OPTIMIZERS[optimizer](), strategy)
    x, _ = nets.inputs_of(model)
    start, sparse = model.get_weights(), nets.kernels(model)
    masked = {id(entry.weight) for entry in tt.masked_weights(model)}
    found = []
    for garbage in (0.0, nets.POISON):
        model.set_weights(start)
        nets.poison(model, garbage)
        reset_optimizer(model)
        train()
        rest = [np.asarray(variable) for variable in model.weights if id(variable) not in masked]
        found.append([nets.outputs(model, x), *nets.kernels(model), *rest])
    nets.assert_equal(*found)
    assert all(np.any(new != old) for new, old in zip(nets.kernels(model), sparse, strict=True))

    expected = nets.outputs(model, x)
    tt.fold(model)
    np.testing.assert_array_equal(nets.outputs(model, x), expected)
    for entry, mask in zip(prunable_weights(model), ticket.masks, strict=True):
        np.testing.assert_array_equal(np.asarray(entry.weight) != 0, mask)


def in_file(path):
    """Non-zero kernel values of a `.weights.h5` or `.keras` file, found without Keras."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as stored:
            return _count(h5py.File(stored))
    with h5py.File(path) as file:
        return _count(file)


def _count(file):
    sizes = []

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and name.startswith("layers") and len(item.shape) > 1:
            sizes.append(np.count_nonzero(item))
            assert item.dtype != bool

    file.visititems(visit)
    return sum(sizes)


class TestFiles:
    """Of a trained sparse net; its depthwise kernel (3 x 3 x 4) is not for pruning."""

    @pytest.fixture
    def trained(self):
        model = nets.build("functional")
        ticket = tt.prune(model, "random", 0.7)
        nets.compiled(nets.poison(model), OPTIMIZERS["adam, averaged"](), run_eagerly=True)
        model.fit(*nets.inputs_of(model), verbose=0)
        return model, ticket.kept + 36

    @pytest.mark.slow
    def test_a_folded_model_is_written_with_what_is_kept_and_no_more(self, trained, tmp_path):
        model, kept = trained
        tt.fold(model)
        save_weights(model, tmp_path / "folded.weights.h5")
        model.save(tmp_path / "folded.keras")
        assert in_file(tmp_path / "folded.weights.h5") == kept
        assert in_file(tmp_path / "folded.keras") == kept
        loaded = keras.saving.load_model(tmp_path / "folded.keras")
        assert sum(np.count_nonzero(v) for v in loaded.trainable_weights if v.shape.rank > 1) == kept

    @pytest.mark.slow
    def test_what_stands_under_the_masks_in_a_file_comes_back_beside_the_weights(self, trained, tmp_path):
        model, _ = trained
        save_weights(model, tmp_path / "masked.weights.h5")
        assert in_file(tmp_path / "masked.weights.h5") == sum(
            variable.shape.num_elements() for variable in model.trainable_weights if variable.shape.rank > 1
        )
        restore_weights(model, tmp_path / "masked.weights.h5")
        for entry in tt.masked_weights(model):
            hidden = ~entry.mask.numpy()
            assert not entry.weight.numpy()[hidden].any()
            assert {nets.POISON} == set(entry.mask.full_value()[hidden].tolist())
