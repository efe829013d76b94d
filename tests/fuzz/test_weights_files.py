"""Weights files: damaged, foreign, linked elsewhere, or claiming too much, they are refused by name."""

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tf_tickets as tt
from tests.fuzz.mutations import bounded, damaged, fuzz, read_or_refused
from tf_tickets.layers import restore_weights, save_weights, stock_weights


def build(units=5):
    inputs = keras.Input((4,))
    x = keras.layers.Dense(units, name="first")(inputs)
    x = tt.layers.BatchNormalization()(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="last")(x))


@pytest.fixture(scope="module")
def model():
    model = build()
    tt.mask_layers(model)
    return model


@pytest.fixture
def saved(model, tmp_path):
    """A whole weights file of the model."""
    path = tmp_path / "final.weights.h5"
    save_weights(model, path)
    restore_weights(model, path)  # imports what reading needs, which is not to be measured
    return path


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    """The bytes of one."""
    path = tmp_path_factory.mktemp("whole") / "final.weights.h5"
    save_weights(model, path)
    return path.read_bytes()


def refused(model, path, message):
    with bounded(16), pytest.raises(ValueError, match=rf"final\.weights\.h5 .*{message}"):
        restore_weights(model, path)


def kernel_of(file):
    """The first array of the file that is a kernel."""
    found = []
    file.visititems(
        lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) and item.ndim == 2 else None
    )
    return found[0]


@pytest.mark.slow
@fuzz(80)
@given(changes=st.data())
def test_a_damaged_file_is_read_or_refused_by_name(model, whole, tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("w") / "final.weights.h5"
    path.write_bytes(changes.draw(damaged(whole)))
    read_or_refused(lambda: restore_weights(model, path), str(path))


@pytest.mark.slow
def test_a_whole_file_is_read(model, saved):
    before = model.get_weights()
    for weight in stock_weights(model):
        weight.assign(weight * 0)
    restore_weights(model, saved)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("link", [h5py.ExternalLink("secret.h5", "/kernel"), h5py.SoftLink("/elsewhere")])
def test_a_link_is_not_followed(model, saved, link):
    with h5py.File(saved.with_name("secret.h5"), "w") as secret:
        secret["kernel"] = np.ones((4, 5), np.float32)
    with h5py.File(saved, "a") as file:
        file["elsewhere"] = np.ones((4, 5), np.float32)
        name = kernel_of(file)
        del file[name]
        file[name] = link
    refused(model, saved, "is a link to elsewhere")


def test_an_array_in_another_file_is_not_read(model, saved):
    secret = saved.with_name("secret")
    secret.write_bytes(np.ones((4, 5), np.float32).tobytes())
    with h5py.File(saved, "a") as file:
        name = kernel_of(file)
        del file[name]
        file.create_dataset(name, (4, 5), "f4", external=[(secret, 0, 80)])
    refused(model, saved, "lies in another file")


def test_an_array_made_of_others_is_not_read(model, saved):
    layout = h5py.VirtualLayout((4, 5), "f4")
    layout[:] = h5py.VirtualSource(saved.with_name("secret.h5"), "kernel", (4, 5))
    with h5py.File(saved, "a") as file:
        name = kernel_of(file)
        del file[name]
        file.create_virtual_dataset(name, layout)
    refused(model, saved, "lies in another file")


@pytest.mark.parametrize("shape", [(10**6, 10**6), (2**40, 2**20), (4, 5 * 10**8)])
def test_an_array_that_claims_too_much(model, saved, shape):
    with h5py.File(saved, "a") as file:
        name = kernel_of(file)
        del file[name]
        file.create_dataset(name, shape, "f4", chunks=(1, 1000), compression="gzip", fillvalue=1.0)
    refused(model, saved, "claims shape .* more than the file holds")


@pytest.mark.parametrize("dtype", [h5py.string_dtype(), h5py.ref_dtype, "S8", "c8", h5py.vlen_dtype("f4")])
def test_only_numbers_are_weights(model, saved, dtype):
    with h5py.File(saved, "a") as file:
        name = kernel_of(file)
        del file[name]
        file.create_dataset(name, (4, 5), dtype)
    refused(model, saved, "no weights")


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", bytes(5000)])
def test_what_is_no_hdf5_file(model, tmp_path, content):
    path = tmp_path / "final.weights.h5"
    path.write_bytes(content)
    refused(model, path, "does not hold weights of this model")


def test_the_weights_of_another_model(model, tmp_path):
    path = tmp_path / "final.weights.h5"
    build(units=6).save_weights(path)
    refused(model, path, "does not hold weights of this model")


def test_a_group_that_holds_itself_is_no_endless_walk(model, saved):
    with h5py.File(saved, "a") as file:
        file["layers/again"] = file["layers"]
    with bounded(16):
        restore_weights(model, saved)


def test_no_file_is_named_too(model, tmp_path):
    refused(model, tmp_path / "final.weights.h5", "does not hold weights of this model")
