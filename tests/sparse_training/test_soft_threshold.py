"""Soft thresholds: the paper's reparameterization inside masks, trained as usual and baked in by fold."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.sparse_training.small import fit, fixture, perceptron
from tf_tickets.layers import effective_value, value_of
from tf_tickets.pruning import ticket_of
from tf_tickets.sparse_training import SoftThreshold, edge_popup, soft_threshold


def searching(initial_value=-3.0, decay=None, optimizer=None):
    model, x, y = perceptron(optimizer or keras.optimizers.SGD(0.2, momentum=0.9))
    return model, x, y, soft_threshold(model, initial_value, decay)


@pytest.mark.parametrize("row", ["str_s-1.5", "str_s-3.0"])
def test_values_and_gradients_are_the_authors(row):
    golden = fixture("er_ops")[row]
    weight = keras.Variable(np.array(golden["weight"], np.float32))
    mask = keras.Variable(np.ones(weight.shape, bool), dtype="bool")
    parametrization = SoftThreshold(weight, golden["s"])
    threshold = parametrization.variables["threshold"]
    with tf.GradientTape() as tape:
        value = parametrization(weight, mask)
        loss = tf.reduce_sum(value * np.array(golden["upstream"], np.float32))
    by_weight, by_s = tape.gradient(loss, [weight.value, threshold.value])
    assert float(tf.sigmoid(threshold.value)) == pytest.approx(golden["threshold"], rel=1e-6)
    np.testing.assert_allclose(value, golden["out"], rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(by_weight, golden["grad_weight"])
    assert float(by_s) == pytest.approx(golden["grad_s"], rel=1e-6)
    np.testing.assert_array_equal(parametrization.effective_mask(weight, mask), np.array(golden["out"]) != 0)


def test_what_the_mask_hides_has_no_value_and_no_gradient():
    weight = keras.Variable(np.array([3.0, -3.0], np.float32))
    mask = keras.Variable(np.array([True, False]), dtype="bool")
    with tf.GradientTape() as tape:
        value = SoftThreshold(weight, -200.0)(weight, mask)
        loss = tf.reduce_sum(value**2)
    np.testing.assert_array_equal(value, [3.0, 0.0])
    np.testing.assert_array_equal(tape.gradient(loss, weight.value), [6.0, 0.0])


@pytest.mark.slow
def test_a_users_fit_trains_a_threshold_for_each_layer():
    model, x, y, thresholds = searching()
    first = ticket_of(model, {})
    fit(model, x, y, steps=6)
    assert len(thresholds) == 2 and all(float(s) != -3.0 for s in thresholds)
    ticket = ticket_of(model, {})
    masks = [np.asarray(entry.mask) for entry in tt.masked_weights(model)]
    assert 0 < ticket.kept < sum(mask.sum() for mask in masks) and ticket.sha256 != first.sha256
    for found, mask, entry, s in zip(ticket.masks, masks, tt.masked_weights(model), thresholds, strict=True):
        expected = mask & (np.abs(entry.weight) > 1 / (1 + np.exp(-float(s))))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_what_lies_outside_of_the_mask_is_never_seen():
    model, x, _, _ = searching()
    before = nets.outputs(model, x)
    np.testing.assert_array_equal(nets.outputs(nets.poison(model), x), before)


@pytest.mark.slow
def test_fold_leaves_a_plain_network_of_the_thresholded_weights():
    model, x, y, _ = searching()
    fit(model, x, y)
    nets.poison(model)
    expected, ticket = nets.outputs(model, x), ticket_of(model, {})
    values = [np.array(effective_value(e.layer, e.attribute)) for e in tt.masked_weights(model)]
    with tt.layers.folded(model):
        np.testing.assert_array_equal(nets.outputs(model, x), expected)
    np.testing.assert_array_equal(nets.outputs(model, x), expected)
    fit(model, x, y, steps=1)  # goes on
    model, x, y, _ = searching()
    fit(model, x, y)
    tt.fold(model)
    np.testing.assert_array_equal(nets.outputs(model, x), expected)
    assert [type(layer) for layer in model.layers] == [keras.layers.Dense] * 2
    nets.assert_equal([layer.kernel for layer in model.layers], values)
    nets.assert_equal([value_of(layer.kernel) != 0 for layer in model.layers], ticket.masks)
    assert len(model.weights) == 4
    fit(model, x, y, steps=1)
    assert all(
        (layer.kernel != value).numpy().any() for layer, value in zip(model.layers, values, strict=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD, keras.optimizers.AdamW])
def test_decay_is_added_to_the_gradient_under_any_optimizer(optimizer):
    """At -200 the threshold itself has none, so decay is all there is."""
    model, x, y, thresholds = searching(-200.0, 0.05, optimizer(0.1))
    slopes = []
    apply = model.optimizer.apply

    def noting(gradients, variables):
        known = {id(v): g for g, v in zip(gradients, variables, strict=True)}
        slopes.extend(float(known[id(s)]) for s in thresholds)
        apply(gradients, variables)

    model.optimizer.apply = noting
    fit(model, x, y, steps=1)
    assert slopes == pytest.approx([-200 * 0.05] * 2, rel=1e-6)


@pytest.mark.slow
def test_without_decay_a_very_low_start_prunes_nothing():
    model, x, y, thresholds = searching(-200.0)
    kept = sum(int(np.asarray(entry.mask).sum()) for entry in tt.masked_weights(model))
    fit(model, x, y)
    assert [float(s) for s in thresholds] == [-200.0] * 2 and ticket_of(model, {}).kept == kept


@pytest.mark.slow
def test_a_used_optimizer_is_renewed_with_its_settings_and_one_that_is_not_stays():
    model, x, y = perceptron(keras.optimizers.Adam(0.03, beta_1=0.7))
    fit(model, x, y, steps=2)
    used = model.optimizer
    thresholds = soft_threshold(model)
    fresh = model.optimizer
    assert fresh is not used and int(fresh.iterations) == 0
    assert fresh.get_config() == used.get_config()
    fit(model, x, y, steps=1)
    known = {id(variable) for variable in fresh._trainable_variables}
    assert all(id(s) in known for s in thresholds)


@pytest.mark.slow
def test_weights_files_keep_the_thresholds_and_keras_files_are_refused(tmp_path):
    model, x, y, _ = searching()
    fit(model, x, y)
    model.save_weights(tmp_path / "x.weights.h5")
    (tmp_path / "x.keras").write_text("before")
    with pytest.raises(ValueError, match=r"tf_tickets\.fold\(model\)"):
        model.save(tmp_path / "x.keras")
    assert (tmp_path / "x.keras").read_text() == "before"
    twin, _, _, _ = searching()
    twin.load_weights(tmp_path / "x.weights.h5")
    np.testing.assert_array_equal(nets.outputs(twin, x), nets.outputs(model, x))


def test_a_keras_file_is_not_harmed_where_the_layers_were_built_with_masks(tmp_path):
    model = keras.Sequential([keras.Input((6,)), tt.layers.MaskedDense(3)])
    soft_threshold(model)
    (tmp_path / "x.keras").write_text("before")
    with pytest.raises(ValueError, match=r"tf_tickets\.fold\(model\)"):
        model.save(tmp_path / "x.keras")
    assert (tmp_path / "x.keras").read_text() == "before"


def test_values_that_are_no_numbers_and_layers_that_search_already():
    model, _, _ = perceptron()
    for arguments, message in (
        ({"initial_value": float("nan")}, "initial_value= is a number. Received: nan"),
        ({"initial_value": True}, "initial_value="),
        ({"decay": -1.0}, "decay= is a number, 0 or more, or None. Received: -1.0"),
        ({"decay": float("inf")}, "decay="),
        ({"initial_value": "x"}, "initial_value= is a number. Received: 'x'"),
        ({"decay": "x"}, "decay= is a number, 0 or more, or None. Received: 'x'"),
        ({"decay": True}, "decay="),
    ):
        with pytest.raises(ValueError, match=message):
            soft_threshold(model, **arguments)
    soft_threshold(model)
    for again in (soft_threshold, lambda model: edge_popup(model, 0.8)):
        with pytest.raises(ValueError, match=r"computed by SoftThreshold already. Call tf_tickets\.fold"):
            again(model)
    with pytest.raises(ValueError, match="nothing to prune"):
        soft_threshold(keras.Sequential([keras.Input((3,)), keras.layers.ReLU()]))
