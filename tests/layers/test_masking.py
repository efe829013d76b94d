"""mask_layers, and fold: any Keras model, in place and back."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.layers.every_net import classes, every_net, shapes
from tests.replicas import two_replicas
from tf_tickets.layers import prunable_weights


@every_net
class TestInPlaceAndBack:
    @pytest.mark.slow
    def test_masks_every_kernel_in_forward_order(self, name):
        model, expected = nets.build(name), nets.NETS[name][1]
        assert shapes(prunable_weights(model)) == expected
        assert tt.masked_weights(model) == []
        report = tt.mask_layers(model)
        assert shapes(report.masked) == shapes(tt.masked_weights(model)) == expected
        for entry in tt.masked_weights(model):
            assert entry.mask.dtype == "bool" and np.all(entry.mask)
            assert not entry.mask.trainable
            assert any(entry.weight is variable for variable in entry.layer.trainable_variables)
            assert entry.name == entry.weight.path and entry.size == np.prod(entry.shape)

    @pytest.mark.slow
    def test_changes_no_output_until_a_mask_does(self, name):
        model = nets.build(name)
        x, _ = nets.inputs_of(model)
        before = nets.outputs(model, x)
        tt.mask_layers(model)
        np.testing.assert_array_equal(nets.outputs(model, x), before)
        nets.hide(model)
        assert np.any(nets.outputs(model, x) != before)

    @pytest.mark.slow
    def test_what_is_hidden_reaches_neither_outputs_nor_gradients(self, name):
        model = nets.hide(nets.build(name))
        x, _ = nets.inputs_of(model)
        before = [nets.outputs(model, x), *nets.gradients(model, x)]
        nets.poison(model)
        nets.assert_equal([nets.outputs(model, x), *nets.gradients(model, x)], before)

    @pytest.mark.slow
    def test_fold_bakes_the_zeros_in_and_gives_the_stock_layers_back(self, name):
        model = nets.build(name)
        stock, weights = classes(model), model.get_weights()
        nets.poison(nets.hide(model))
        x, _ = nets.inputs_of(model)
        expected, sparse = nets.outputs(model, x), nets.kernels(model)
        assert tt.fold(model) is model
        ours = {tt.layers.BatchNormalization: keras.layers.BatchNormalization}
        assert classes(model) == [ours.get(cls, cls) for cls in stock]
        assert tt.masked_weights(model) == []
        np.testing.assert_array_equal(nets.outputs(model, x), expected)
        nets.assert_equal([entry.weight.numpy() for entry in prunable_weights(model)], sparse)
        assert [w.shape for w in model.get_weights()] == [w.shape for w in weights]
        assert "save" not in model.__dict__

    @pytest.mark.slow
    def test_a_second_time_changes_nothing(self, name):
        model = nets.hide(nets.build(name))
        before = tt.masked_weights(model)
        again = tt.mask_layers(model).masked
        assert all(a.mask is b.mask and a.weight is b.weight for a, b in zip(before, again, strict=True))
        assert len(again) == len(before)
        tt.fold(tt.fold(model))
        assert np.all(tt.mask_layers(model).masked[0].mask)

    @pytest.mark.slow
    def test_get_and_set_weights_carry_the_masks(self, name):
        model = nets.hide(nets.build(name))
        weights = model.get_weights()
        assert sum(w.dtype == bool for w in weights) == len(tt.masked_weights(model))
        nets.hide(model, seed=5, keep=0.9)
        model.set_weights(weights)
        nets.assert_equal(model.get_weights(), weights)


class TestTheReport:
    def test_prints(self):
        text = str(tt.mask_layers(nets.build("functional")))
        lines = text.splitlines()
        assert lines[0] == "masked: 3 weights, 100 values"
        assert "(1, 1, 4, 4)" in text and "(3, 3, 2, 4)" in lines[1]
        assert lines[4] == "left alone: 1"
        assert lines[5].endswith("BatchNormalization has no maskable weight")

    def test_says_what_is_masked_only_on_request(self):
        inputs = keras.Input((5,), dtype="int32")
        x = keras.layers.Embedding(7, 4, name="ids")(inputs)
        model = keras.Model(inputs, keras.layers.DepthwiseConv1D(2, name="deep")(x))
        report = tt.mask_layers(model)
        assert report.masked == []
        assert [reason for _, reason in report.left_alone] == [
            "Embedding is masked only where include= names it",
            "DepthwiseConv1D is masked only where include= names it",
        ]
        included = tt.mask_layers(model, include=(keras.layers.Embedding, model.get_layer("deep")))
        assert shapes(included.masked) == [(7, 4), (2, 4, 1)]

    @pytest.mark.slow
    def test_says_why_quantized_and_adapted_layers_are_left_alone(self):
        model = keras.Sequential(
            [keras.Input((6,)), *(keras.layers.Dense(6, name=x) for x in ("plain", "lora", "int8"))]
        )
        model.get_layer("lora").enable_lora(2)
        model.get_layer("int8").quantize("int8")
        report = tt.mask_layers(model)
        assert [entry.layer.name for entry in report.masked] == ["plain"]
        reasons = {path.split("/")[-1]: reason for path, reason in report.left_alone}
        assert reasons == {"lora": "LoRA is enabled", "int8": "quantized (int8)"}
        assert type(model.get_layer("lora")) is keras.layers.Dense

    @pytest.mark.slow
    def test_says_which_weights_are_never_read(self):
        class Idle(nets.Backwards):
            def __init__(self):
                super().__init__()
                self.idle = keras.layers.Dense(2)
                self.idle.build((None, 6))

        model = Idle()
        model(np.zeros((1, 6), "float32"))
        report = tt.mask_layers(model)
        assert len(report.masked) == 4
        ((path, reason),) = report.left_alone
        assert path.endswith("kernel") and reason == "never read by the forward pass"
        assert type(model.idle) is keras.layers.Dense

    def test_says_where_a_mask_would_not_act(self):
        """Tied weights are read by the parent, past the layer that would mask them."""

        class Tied(keras.Model):
            def __init__(self):
                super().__init__()
                self.code, self.same = keras.layers.Dense(4), keras.layers.Dense(4)

            def call(self, inputs):
                code = self.same(self.code(inputs))
                return keras.ops.matmul(code, keras.ops.transpose(self.code.kernel))

        model = Tied()
        model(np.zeros((1, 6), "float32"))
        report = tt.mask_layers(model)
        assert shapes(report.masked) == shapes(prunable_weights(model)) == [(4, 4)]
        ((_, reason),) = report.left_alone
        assert reason == "read outside its layer's call, where a mask does not act"

    def test_says_where_another_layer_would_go_on_writing(self):
        spectral = keras.layers.SpectralNormalization(keras.layers.Dense(3))
        report = tt.mask_layers(keras.Sequential([keras.Input((6,)), spectral, keras.layers.Dense(2)]))
        assert shapes(report.masked) == [(3, 2)]
        assert ("another layer holds its weight too") in [reason for _, reason in report.left_alone]


class TestErrors:
    def test_not_a_model(self):
        with pytest.raises(TypeError, match=r"takes a keras.Model. Received: Dense"):
            tt.mask_layers(keras.layers.Dense(3))

    def test_not_built(self):
        with pytest.raises(ValueError, match=r"is not built. Call it on a batch of data"):
            tt.mask_layers(nets.Backwards())

    def test_a_model_that_cannot_be_traced_is_left_as_it_is(self):
        class Moody(nets.Backwards):
            def call(self, inputs):
                if not isinstance(inputs, tf.Tensor) or not hasattr(inputs, "numpy"):
                    raise RuntimeError("only eager")
                return super().call(inputs)

        model = Moody()
        model(tf.zeros((1, 6)))
        before = classes(model)
        with pytest.raises(ValueError, match=r"(?s)could not be traced .*only eager"):
            tt.mask_layers(model)
        assert classes(model) == before


class TestHandBuilt:
    """Masked layers are Keras layers: they may stand in a model from the start."""

    def net(self):
        return keras.Sequential(
            [keras.Input((6,)), tt.layers.MaskedDense(8, "relu"), tt.layers.MaskedDense(3)]
        )

    def test_masked_weights_finds_them_in_order(self):
        model = self.net()
        assert shapes(tt.masked_weights(model)) == [(6, 8), (8, 3)]
        assert tt.mask_layers(model).masked == tt.masked_weights(model)

    def test_fold_makes_stock_layers_of_them(self):
        model = tt.fold(nets.hide(self.net()))
        assert classes(model)[-2:] == [keras.layers.Dense] * 2

    @pytest.mark.slow
    def test_in_a_subclassed_model_they_come_back_from_a_file(self, tmp_path):
        model = HandBuilt()
        x = np.ones((2, 6), "float32")
        model(x)
        nets.hide(model)
        model.save(tmp_path / "own.keras")
        loaded = keras.saving.load_model(tmp_path / "own.keras")
        nets.assert_equal(nets.kernels(loaded), nets.kernels(model))
        np.testing.assert_array_equal(nets.outputs(loaded, x), nets.outputs(model, x))


@keras.saving.register_keras_serializable(package="tests")
class HandBuilt(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.head, self.body = tt.layers.MaskedDense(3), tt.layers.MaskedDense(4)

    def call(self, inputs):
        return self.head(self.body(inputs))


@pytest.mark.slow
def test_masks_are_mirrored_where_their_weights_are():
    strategy = two_replicas()
    with strategy.scope():
        model = nets.build("sequential")
    nets.hide(model)
    for entry in tt.masked_weights(model):
        copies = strategy.experimental_local_results(entry.mask.value)
        assert len(copies) == 2
        np.testing.assert_array_equal(*copies)
    x, _ = nets.inputs_of(model)
    nets.poison(model)
    per_replica = strategy.run(tf.function(lambda: model(x, training=False)))
    for found in strategy.experimental_local_results(per_replica):
        np.testing.assert_allclose(found, nets.outputs(tt.fold(model), x), rtol=1e-5, atol=1e-6)
