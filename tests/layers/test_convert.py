"""mask_layers, masked_weights, fold: any Keras model, in place and back."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.replicas import two_replicas
from tf_tickets.layers import folded, prunable_weights, restore_weights, save_weights, stock_weights

every_net = pytest.mark.parametrize("name", nets.NETS)
reloadable_net = pytest.mark.parametrize("name", nets.RELOADABLE)
some_nets = pytest.mark.parametrize("name", ["functional", "attention"])
rebuilt_by_parents = pytest.mark.parametrize("name", sorted(set(nets.NETS) - set(nets.RELOADABLE)))


def shapes(entries):
    return [entry.shape for entry in entries]


def classes(model):
    return [type(layer) for layer in model._flatten_layers()]


@every_net
class TestInPlaceAndBack:
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

    def test_changes_no_output_until_a_mask_does(self, name):
        model = nets.build(name)
        x, _ = nets.inputs_of(model)
        before = nets.outputs(model, x)
        tt.mask_layers(model)
        np.testing.assert_array_equal(nets.outputs(model, x), before)
        nets.hide(model)
        assert np.any(nets.outputs(model, x) != before)

    def test_what_is_hidden_reaches_neither_outputs_nor_gradients(self, name):
        model = nets.hide(nets.build(name))
        x, _ = nets.inputs_of(model)
        before = [nets.outputs(model, x), *nets.gradients(model, x)]
        nets.poison(model)
        nets.assert_equal([nets.outputs(model, x), *nets.gradients(model, x)], before)

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

    def test_a_second_time_changes_nothing(self, name):
        model = nets.hide(nets.build(name))
        before = tt.masked_weights(model)
        again = tt.mask_layers(model).masked
        assert all(a.mask is b.mask and a.weight is b.weight for a, b in zip(before, again, strict=True))
        assert len(again) == len(before)
        tt.fold(tt.fold(model))
        assert np.all(tt.mask_layers(model).masked[0].mask)

    def test_get_and_set_weights_carry_the_masks(self, name):
        model = nets.hide(nets.build(name))
        weights = model.get_weights()
        assert sum(w.dtype == bool for w in weights) == len(tt.masked_weights(model))
        nets.hide(model, seed=5)
        model.set_weights(weights)
        nets.assert_equal(model.get_weights(), weights)


class TestAModelThatHasRun:
    """Keras keeps what it has traced; whoever changes the layers renews it."""

    @some_nets
    def test_fit_evaluate_and_predict_obey_new_masks_without_compiling_again(self, name):
        model = nets.compiled(nets.build(name))
        x, y = nets.inputs_of(model)
        model.fit(x, y, verbose=0)
        dense = model.evaluate(x, y, verbose=0), model.predict(x, verbose=0)
        optimizer = model.optimizer
        nets.hide(model, keep=0.3)
        expected = nets.outputs(model, x)
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
        assert model.evaluate(x, y, verbose=0) != dense[0]
        assert np.any(np.abs(model.predict(x, verbose=0) - dense[1]) > 1e-4)

        before = [keras.ops.convert_to_numpy(entry.weight) for entry in tt.masked_weights(model)]
        model.fit(x, y, verbose=0)
        assert model.optimizer is optimizer
        for old, entry in zip(before, tt.masked_weights(model), strict=True):
            hidden = ~entry.mask.numpy()
            np.testing.assert_array_equal(entry.weight.numpy()[hidden], old[hidden])
        assert any(np.any(a != b) for a, b in zip(before, nets.kernels(model), strict=True))

    def test_a_change_of_masks_alone_needs_no_new_trace(self):
        model = nets.compiled(nets.hide(nets.build("sequential")))
        x, y = nets.inputs_of(model)
        model.fit(x, y, verbose=0)
        traced = model.train_function
        nets.hide(model, seed=3)
        assert model.train_function is traced
        np.testing.assert_allclose(model.predict(x, verbose=0), nets.outputs(model, x), rtol=1e-5, atol=1e-6)

    def test_so_do_the_models_inside_it(self):
        model = nets.build("nested")
        inner = model.get_layer("block")
        x, _ = nets.inputs_of(model)
        inner.predict(x, verbose=0)
        nets.hide(model)
        np.testing.assert_allclose(inner.predict(x, verbose=0), nets.outputs(inner, x), rtol=1e-5, atol=1e-6)

    def test_fold_is_obeyed_too(self):
        model = nets.poison(nets.hide(nets.build("sequential")))
        x, _ = nets.inputs_of(model)
        expected = model.predict(x, verbose=0)
        tt.fold(model)
        (first, _) = prunable_weights(model)
        np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
        first.weight.assign(2 * first.weight)
        assert np.any(model.predict(x, verbose=0) != expected)

    @pytest.mark.parametrize("change", [nets.hide, tt.fold])
    def test_a_callback_may_change_the_layers_in_the_middle_of_a_fit(self, change):
        class Change(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if batch == 1 and not hasattr(self, "after"):
                    change(self.model)
                    self.after = [
                        keras.ops.convert_to_numpy(entry.weight) for entry in prunable_weights(self.model)
                    ]

        model = nets.build("functional")
        if change is tt.fold:
            nets.poison(nets.hide(model), value=3.0)
        model = nets.compiled(model)
        x, y = nets.inputs_of(model)
        callback = Change()
        model.fit(x, y, batch_size=3, epochs=2, verbose=0, callbacks=[callback], validation_data=(x, y))
        for entry, after in zip(prunable_weights(model), callback.after, strict=True):
            moved = entry.weight.numpy() != after
            if entry.mask is None:
                assert np.any(moved[after == 0])  # zeros of a folded model are weights like others
            else:
                assert not np.any(moved[~entry.mask.numpy()])
            assert np.any(moved)
        np.testing.assert_allclose(model.predict(x, verbose=0), nets.outputs(model, x), rtol=1e-4, atol=1e-5)


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


class TestIncludeAndExclude:
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


class TestFiles:
    @reloadable_net
    def test_a_keras_file_of_a_masked_model_comes_back_masked(self, name, tmp_path):
        model = nets.poison(nets.hide(nets.build(name)))
        x, _ = nets.inputs_of(model)
        model.save(tmp_path / "masked.keras")
        loaded = keras.saving.load_model(tmp_path / "masked.keras")
        nets.assert_equal(loaded.get_weights(), model.get_weights())
        np.testing.assert_array_equal(nets.outputs(loaded, x), nets.outputs(model, x))
        nets.assert_equal(nets.kernels(loaded), nets.kernels(model))

    def test_and_trains_on_with_its_optimizer_as_if_it_had_not_been_saved(self, tmp_path):
        model = nets.compiled(nets.hide(nets.build("functional")), keras.optimizers.Adam())
        x, y = nets.inputs_of(model)
        model.fit(x, y, verbose=0)
        model.save(tmp_path / "masked.keras")
        loaded = keras.saving.load_model(tmp_path / "masked.keras")
        for part in (model, loaded):
            part.fit(x, y, verbose=0, shuffle=False)
        nets.assert_equal(nets.kernels(loaded), nets.kernels(model), rtol=1e-6, atol=1e-7)

    @rebuilt_by_parents
    def test_where_a_parent_rebuilds_its_layers_saving_refuses_before_it_touches_the_file(
        self, name, tmp_path
    ):
        model = nets.hide(nets.build(name))
        path = tmp_path / "model.keras"
        path.write_text("what was there")
        for _ in range(2):
            with pytest.raises(ValueError, match=r"rebuilt by its parent .*ticket.save.*save_weights.*fold"):
                model.save(path)
        assert path.read_text() == "what was there"
        tt.fold(model).save(path)
        loaded = keras.saving.load_model(path)
        nets.assert_equal(loaded.get_weights(), model.get_weights())

    def test_also_of_a_part_and_through_a_checkpoint_callback(self, tmp_path):
        inputs = keras.Input((6,))
        model = keras.Model(inputs, keras.layers.Dense(3)(nets.build("subclassed")(inputs)))
        nets.hide(model)
        part = next(layer for layer in model.layers if isinstance(layer, nets.Backwards))
        for whatever in (model, part):
            (tmp_path / "m.keras").write_text("old")
            with pytest.raises(ValueError, match="rebuilt by its parent"):
                whatever.save(tmp_path / "m.keras")
            assert (tmp_path / "m.keras").read_text() == "old"
        nets.compiled(model)
        checkpoint = keras.callbacks.ModelCheckpoint(str(tmp_path / "m.keras"))
        with pytest.raises(ValueError, match="rebuilt by its parent"):
            model.fit(*nets.inputs_of(model), verbose=0, callbacks=[checkpoint])
        assert (tmp_path / "m.keras").read_text() == "old"

    @every_net
    def test_the_advice_of_that_error_works(self, name, tmp_path):
        model = nets.hide(nets.build(name))
        masks = [entry.mask.numpy() for entry in tt.masked_weights(model)]
        names = [entry.name for entry in tt.masked_weights(model)]
        tt.Ticket(tuple(masks), tuple(names)).save(tmp_path / "ticket.npz")
        model.save_weights(tmp_path / "m.weights.h5")
        fresh = nets.build(name)
        tt.Ticket.load(tmp_path / "ticket.npz").apply(fresh)
        fresh.load_weights(tmp_path / "m.weights.h5")
        nets.assert_equal(nets.kernels(fresh), nets.kernels(model))
        nets.assert_equal(fresh.get_weights(), model.get_weights())

    @every_net
    def test_weights_saved_before_masking_can_be_restored_into_the_masked_model(self, name, tmp_path):
        model = nets.build(name)
        x, _ = nets.inputs_of(model)
        arrays, expected = model.get_weights(), nets.outputs(model, x)
        model.save_weights(tmp_path / "dense.weights.h5")
        for source in (arrays, tmp_path / "dense.weights.h5", str(tmp_path / "dense.weights.h5")):
            nets.hide(model)
            masks = [entry.mask.numpy() for entry in tt.masked_weights(model)]
            for variable in stock_weights(model):
                variable.assign(np.zeros(variable.shape))
            restore_weights(model, source)
            nets.assert_equal([np.asarray(weight) for weight in stock_weights(model)], arrays)
            nets.assert_equal([entry.mask.numpy() for entry in tt.masked_weights(model)], masks)
        for entry in tt.masked_weights(model):
            entry.mask.assign(np.ones(entry.shape, bool))
        np.testing.assert_array_equal(nets.outputs(model, x), expected)

    @every_net
    def test_weights_are_written_as_if_there_were_no_masks(self, name, tmp_path):
        model = nets.compiled(nets.hide(nets.build(name)), keras.optimizers.Adam())
        model.optimizer.build(model.trainable_variables)
        optimizer, before = model.optimizer, model.get_weights()
        save_weights(model, tmp_path / "plain.weights.h5")
        assert model.optimizer is optimizer
        nets.assert_equal(model.get_weights(), before)
        fresh = nets.build(name)
        fresh.load_weights(tmp_path / "plain.weights.h5")
        nets.assert_equal(fresh.get_weights(), [np.asarray(weight) for weight in stock_weights(model)])

    def test_a_users_own_bool_weight_is_not_taken_for_a_mask(self):
        class Flagged(keras.layers.Dense):
            def build(self, input_shape):
                super().build(input_shape)
                self.flag = self.add_weight(shape=(), dtype="bool", initializer="zeros", trainable=False)

        model = keras.Sequential([keras.Input((6,)), Flagged(3)])
        before = model.get_weights()
        nets.hide(model)
        restore_weights(model, before)
        assert len(stock_weights(model)) == 3


class TestCopies:
    @reloadable_net
    def test_a_deep_copy_is_a_masked_model_of_its_own(self, name):
        model = nets.hide(nets.build(name))
        x, _ = nets.inputs_of(model)
        twin = copy.deepcopy(model)
        nets.assert_equal(nets.kernels(twin), nets.kernels(model))
        before = nets.outputs(model, x)
        tt.fold(twin)
        nets.hide(twin, seed=9)
        np.testing.assert_array_equal(nets.outputs(model, x), before)

    @rebuilt_by_parents
    def test_one_that_would_lose_its_masks_is_refused(self, name):
        with pytest.raises(ValueError, match=r"A .keras file or a copy of this model would lack masks"):
            copy.deepcopy(nets.hide(nets.build(name)))

    @reloadable_net
    def test_clone_model_gives_fresh_masked_layers_that_take_the_weights(self, name):
        model = nets.hide(nets.build(name))
        clone = keras.models.clone_model(model)
        assert shapes(tt.masked_weights(clone)) == nets.NETS[name][1]
        assert all(np.all(entry.mask) for entry in tt.masked_weights(clone))
        clone.set_weights(model.get_weights())
        nets.assert_equal(nets.kernels(clone), nets.kernels(model))

    @every_net
    def test_a_ticket_fits_a_fresh_model_of_the_same_shapes(self, name):
        model = nets.build(name)
        ticket = tt.prune(model, "random", 0.5)
        fresh = ticket.apply(nets.build(name))
        assert sum(np.count_nonzero(kernel) for kernel in nets.kernels(fresh)) == ticket.kept
        nets.assert_equal([np.asarray(e.mask) for e in tt.masked_weights(fresh)], ticket.masks)


class TestFolded:
    """For the duration only."""

    @some_nets
    def test_afterwards_the_model_is_what_it_was(self, name):
        model = nets.compiled(nets.poison(nets.hide(nets.build(name))))
        x, y = nets.inputs_of(model)
        before = classes(model), model.get_weights(), nets.outputs(model, x), model.optimizer
        entries = tt.masked_weights(model)
        with folded(model) as inside:
            assert inside is model and tt.masked_weights(model) == []
            assert not any(issubclass(cls, tt.layers.Masked) for cls in classes(model))
            np.testing.assert_array_equal(nets.outputs(model, x), before[2])
            np.testing.assert_allclose(model.predict(x, verbose=0), before[2], rtol=1e-5, atol=1e-6)
        assert classes(model) == before[0] and model.optimizer is before[3]
        nets.assert_equal(model.get_weights(), before[1])
        # Who held on to a mask holds the model's mask still.
        assert tt.masked_weights(model) == entries
        entries[0].mask.assign(np.zeros(entries[0].shape, bool))
        assert np.any(nets.outputs(model, x) != before[2])
        np.testing.assert_allclose(model.predict(x, verbose=0), nets.outputs(model, x), rtol=1e-5, atol=1e-6)
        model.fit(x, y, verbose=0)

    def test_what_was_traced_before_is_not_traced_again(self):
        model = nets.compiled(nets.hide(nets.build("sequential")))
        x, y = nets.inputs_of(model)
        model.fit(x, y, verbose=0)
        traced = model.train_function
        with folded(model):
            assert model.train_function is not traced
        assert model.train_function is traced

    def test_also_after_an_error(self):
        model = nets.poison(nets.hide(nets.build("functional")))
        before = classes(model), model.get_weights()
        with pytest.raises(KeyError), folded(model):
            raise KeyError("disk full")
        assert classes(model) == before[0]
        nets.assert_equal(model.get_weights(), before[1])

    @rebuilt_by_parents
    def test_the_guard_of_save_is_up_again(self, name, tmp_path):
        model = nets.hide(nets.build(name))
        with folded(model):
            model.save(tmp_path / "in.keras")
        with pytest.raises(ValueError, match="rebuilt by its parent"):
            model.save(tmp_path / "out.keras")
        assert not (tmp_path / "out.keras").exists()

    def test_a_model_without_masks_stays_as_it_is(self):
        model = nets.build("sequential")
        before = model.get_weights()
        with folded(model):
            pass
        nets.assert_equal(model.get_weights(), before)
        assert tt.fold(model) is model


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
