"""Which layers are masked: include= and exclude=."""

import keras
import pytest

import tf_tickets as tt
from tests import nets
from tests.layers.every_net import shapes


class TestIncludeAndExclude:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("selection", "expected"),
        [
            (lambda model: model.get_layer("out"), [(4, 3)]),
            (lambda model: model.get_layer("block"), [(6, 5), (5, 4)]),
            (lambda model: keras.layers.Dense, [(6, 5), (5, 4), (4, 3)]),
            (lambda model: keras.layers.Conv2D, []),
            (lambda model: lambda layer: layer.name == "mid", [(5, 4)]),
            (lambda model: [model.get_layer("out"), lambda layer: layer.name == "inmost"], [(6, 5), (4, 3)]),
            (lambda model: iter([model.get_layer("out")]), [(4, 3)]),
            (lambda model: [], []),
        ],
    )
    def test_take_a_layer_a_class_a_predicate_or_several(self, selection, expected):
        model = nets.build("nested")
        assert shapes(tt.mask_layers(model, include=selection(model)).masked) == expected
        everything = [(6, 5), (5, 4), (4, 3)]
        model = nets.build("nested")
        report = tt.mask_layers(model, exclude=selection(model))
        assert shapes(report.masked) == [shape for shape in everything if shape not in expected]
        assert [reason for _, reason in report.left_alone] == ["excluded"] * len(expected)

    def test_include_attention_as_a_whole(self):
        model = nets.build("attention")
        attention = model.get_layer("attention")
        assert len(tt.mask_layers(model, include=attention).masked) == 4

    def test_a_layer_that_has_its_mask_keeps_it(self):
        model = nets.hide(nets.build("sequential"))
        masks = [entry.mask for entry in tt.masked_weights(model)]
        report = tt.mask_layers(model, exclude=keras.layers.Dense)
        assert [entry.mask for entry in report.masked] == masks

    def test_asking_for_more_adds_to_what_is_masked(self):
        model = nets.build("functional")
        tt.mask_layers(model)
        report = tt.mask_layers(model, include=lambda layer: True)
        assert shapes(report.masked) == [(3, 3, 2, 4), (3, 3, 4, 1), (1, 1, 4, 4), (4, 3)]

    @pytest.mark.parametrize("argument", ["include", "exclude"])
    @pytest.mark.parametrize("selection", ["dense", 3, [keras.layers.Dense, "dense"]])
    def test_refuse_anything_else_before_anything_is_done(self, argument, selection):
        model = nets.build("sequential")
        with pytest.raises(TypeError, match=rf"{argument}= takes a layer, .* Received: "):
            tt.mask_layers(model, **{argument: selection})
        assert tt.masked_weights(model) == []
