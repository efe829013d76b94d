"""What tests of converted models share: the nets, by what Keras can do with them."""

import pytest

from tests import nets

every_net = pytest.mark.parametrize("name", nets.NETS)
reloadable_net = pytest.mark.parametrize("name", nets.RELOADABLE)
some_nets = pytest.mark.parametrize("name", ["functional", "attention"])
rebuilt_by_parents = pytest.mark.parametrize("name", sorted(set(nets.NETS) - set(nets.RELOADABLE)))


def shapes(entries):
    return [entry.shape for entry in entries]


def classes(model):
    return [type(layer) for layer in model._flatten_layers()]
