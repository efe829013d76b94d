"""What tests of converted models share: the nets, by what Keras can do with them."""

import pytest

from tests import nets

every_net = pytest.mark.parametrize("name", nets.NETS)
some_nets = pytest.mark.parametrize("name", ["functional", "attention"])
# Whose inner layers are made by a parent, and not from their own configs.
made_by_parents = pytest.mark.parametrize("name", ["attention", "subclassed"])


def shapes(entries):
    return [entry.shape for entry in entries]


def classes(model):
    return [type(layer) for layer in model._flatten_layers()]
