"""The table of models: rows by name, and the family of a model that was built, cloned or loaded."""

import keras
import pytest

from tf_tickets import models
from tf_tickets.models.architectures import MODELS, family_of, model_row
from tf_tickets.pruning.choices import FAMILIES


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg11", "vgg19"])
def test_the_family_of_our_vggs_is_known_by_the_name_that_they_are_built_with(name):
    model = models.build(name, (16, 16, 3), 7, 0.05)
    assert family_of(model.name) == model_row(name).family == "vgg"
    assert family_of(keras.models.clone_model(model).name) == "vgg"


@pytest.mark.parametrize(
    "name", ["resnet32", "lenet_300_100", "functional_3", "vgg19", "my_vgg19_bn", "vgg19_bn_2", "VGG19_bn"]
)
def test_other_models_have_no_family_of_their_own(name):
    assert family_of(name) is None


@pytest.mark.parametrize("name", ["vgg19_bn", "vgg_bn", "vgg_mine_bn", "vgg[1]_bn", "vgg\n_bn"])
def test_a_users_model_of_such_a_name_has_it_too(name):
    assert family_of(name) == "vgg"


def test_families_are_those_of_the_smart_ratios():
    assert {row.family for row in MODELS.values()} - {None} <= set(FAMILIES)
    assert all(bool(row.family) == bool(row.model_names) for row in MODELS.values())


def test_a_name_that_no_row_has():
    with pytest.raises(ValueError, match=r"There is no model 'alexnet'. Choose one of: vgg11, vgg13"):
        model_row("alexnet")
