"""Objects of the user's own: those that do other things have other hashes, and the same ones the same."""

import dataclasses
import functools

import keras
import numpy as np
import pytest

from tf_tickets.support.object_hash import at_work, hash_of_object


def made_by(units):
    def net(seed):
        return units + seed

    return net


def wide(seed, units):
    return units + seed


class Factory:
    def __init__(self, units):
        self.units = {"hidden": np.array([units])}
        self.itself = self

    def net(self, seed):
        return self.units["hidden"] + seed

    __call__ = net


@dataclasses.dataclass
class Held:
    units: np.ndarray


def lambdas(units):
    return (lambda seed: seed + 1, lambda seed: seed - 1)[units - 4 > 0]


KINDS = {
    "closure": made_by,
    "partial": lambda units: functools.partial(wide, units=units),
    "bound method": lambda units: Factory(units).net,
    "callable": Factory,
    "dataclass": lambda units: Held(np.array([units])),
    "default": lambda units: lambda seed, units=units: units + seed,
    "two of a line": lambdas,
    "set": lambda units: functools.partial(wide, units={units, 1}),
    "Keras": lambda units: keras.losses.Huber(delta=units),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_something_else_has_another_hash(kind):
    make = KINDS[kind]
    assert hash_of_object(make(4)) == hash_of_object(make(4))
    assert hash_of_object(make(4)) != hash_of_object(make(8))


def test_globals_that_a_notebook_has_tell_its_functions(monkeypatch):
    cell = "WIDTH = 4\ndef helper(seed): return seed\ndef net(seed): return helper(seed) + WIDTH"
    hashes = set()
    for text in (cell, cell, cell.replace("4", "8"), cell.replace("return seed", "return 2 * seed")):
        found = {"__name__": "__main__"}
        exec(text, found)
        hashes.add(hash_of_object(found["net"]))
    assert len(hashes) == 3


def test_what_a_callback_has_counted_makes_it_no_other():
    callback = keras.callbacks.EarlyStopping(monitor="loss", patience=2)
    given = hash_of_object(callback)
    for _ in range(2):
        with at_work([callback]):
            callback.wait = callback.wait + 1
        assert hash_of_object(callback) == given
    callback.patience = 7
    assert hash_of_object(callback) != given
