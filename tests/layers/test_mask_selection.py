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
            (lambda model: "mid", [(5, 4)]),
            (lambda model: "block", [(6, 5), (5, 4)]),
            (lambda model: model.get_layer("out").kernel.path, [(4, 3)]),
            (lambda model: ["inmost", keras.layers.Conv2D, "out"], [(6, 5), (4, 3)]),
            (lambda model: lambda layer: layer.name == "mid", [(5, 4)]),
            (lambda model: [model.get_layer("out"), lambda layer: layer.name == "inmost"], [(6, 5), (4, 3)]),
            (lambda model: iter([model.get_layer("out")]), [(4, 3)]),
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

    @pytest.mark.parametrize("nothing", [keras.layers.Conv2D, [], lambda layer: False])
    def test_exclude_may_match_nothing_and_include_may_not(self, nothing):
        model = nets.build("nested")
        with pytest.raises(
            ValueError,
            match=r"include=.* matches nothing that can be masked. The weights that can be masked are .*"
            r"kernel' \(layer 'inmost'\), .*\(layer 'out'\)\.",
        ):
            tt.mask_layers(model, include=nothing)
        assert tt.masked_weights(model) == []
        assert len(tt.mask_layers(model, exclude=nothing).masked) == 3

    def test_include_of_what_cannot_be_masked_is_refused(self):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3), keras.layers.Dense(2)])
        model.layers[0].enable_lora(1)
        with pytest.raises(ValueError, match=r"can be masked are '\S*kernel' \(layer 'dense\S*'\)\."):
            tt.mask_layers(model, include=model.layers[0])
        model.layers[1].enable_lora(1)
        with pytest.raises(ValueError, match="The model has no weight that can be masked"):
            tt.mask_layers(model, include=model.layers[1])

    @pytest.mark.slow
    def test_a_predicate_of_a_recurrent_layer_speaks_for_its_cells(self):
        for choice in ("lstm", "both"):
            model = keras.Sequential(
                [
                    keras.Input((5, 4)),
                    keras.layers.Bidirectional(keras.layers.LSTM(3), name="both"),
                    keras.layers.Dense(2),
                ]
            )
            report = tt.mask_layers(model, exclude=lambda layer, name=choice: name in layer.name.split("_"))
            assert shapes(report.masked) == [(6, 2)]

    @pytest.mark.slow
    def test_a_weight_by_its_path_is_that_weight_alone(self):
        model = nets.build("functional")
        path = next(
            x for x in model.layers if isinstance(x, keras.layers.SeparableConv2D)
        ).depthwise_kernel.path
        assert shapes(tt.mask_layers(model, include=path).masked) == [(3, 3, 4, 1)]
        model = keras.Sequential([keras.Input((5, 4)), keras.layers.LSTM(3, name="lstm")])
        path = model.layers[0].cell.recurrent_kernel.path
        assert shapes(tt.mask_layers(model, exclude=path).masked) == [(4, 12)]

    @pytest.mark.parametrize("argument", ["include", "exclude"])
    def test_a_name_that_is_none_lists_what_there_is(self, argument):
        model = nets.build("nested")
        with pytest.raises(
            ValueError,
            match=rf"{argument}= names no layer or weight of the model. Received: 'inmots'. "
            r"Did you mean 'inmost'\? The weights that can be masked are .*\(layer 'mid'\)",
        ):
            tt.mask_layers(model, **{argument: ["out", "inmots"]})
        assert tt.masked_weights(model) == []

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
    @pytest.mark.parametrize("selection", [3, [keras.layers.Dense, b"dense"], b"dense"])
    def test_refuse_anything_else_before_anything_is_done(self, argument, selection):
        model = nets.build("sequential")
        with pytest.raises(TypeError, match=rf"{argument}= takes a layer, .* Received: "):
            tt.mask_layers(model, **{argument: selection})
        assert tt.masked_weights(model) == []
