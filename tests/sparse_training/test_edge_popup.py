"""Edge-popup: scores are trained, weights are not, and what is selected lies inside the mask."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.replicas import two_replicas
from tests.sparse_training.searches import parametrizations, searching
from tests.sparse_training.small import counts, fit, fixture, masks, perceptron
from tf_tickets.layers import value_of
from tf_tickets.pruning import ticket_of
from tf_tickets.pruning.top_k import global_masks
from tf_tickets.sparse_training import AnnealedDensity, EdgePopup, edge_popup

GOLDEN = fixture("er_ops")


def scores(model):
    return [value_of(parametrization.variables["scores"]) for parametrization in parametrizations(model)]


def stock(model):
    return [value_of(variable) for variable in tt.layers.stock_weights(model)]


@pytest.mark.parametrize("row", ["edge_popup_k0.5", "edge_popup_k0.34"])
def test_masks_and_score_gradients_are_the_authors(row):
    golden = GOLDEN[row]
    weight = keras.Variable(np.array(golden["weight"], np.float32))
    mask = keras.Variable(np.ones(6, bool), dtype="bool")
    count = 6 - int((1 - golden["k_keep"]) * 6)
    parametrization = EdgePopup(weight, count, np.array(golden["scores"], np.float32))
    with tf.GradientTape() as tape:
        value = parametrization(weight, mask)
        loss = tf.reduce_sum(value * np.array(golden["upstream_wrt_effective_weight"], np.float32))
    slope = tape.gradient(loss, parametrization.variables["scores"].value)
    np.testing.assert_array_equal(
        parametrization.effective_mask(weight, mask), np.array(golden["mask"], bool)
    )
    np.testing.assert_array_equal(value, np.array(golden["weight"]) * golden["mask"])
    np.testing.assert_allclose(slope, golden["grad_scores"], rtol=1e-6)


class TestTheSearch:
    @pytest.mark.slow
    def test_scores_of_the_whole_mask_have_gradients_and_others_have_none(self):
        model, x, _ = searching()
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(model(x)))
        slopes = tape.gradient(loss, model.trainable_variables)
        assert len(slopes) == 2  # the scores, and nothing else is trained
        for slope, mask, selected in zip(slopes, masks(model), ticket_of(model, {}).masks, strict=True):
            assert not np.asarray(slope)[~mask].any()
            assert np.asarray(slope)[mask & ~selected].any()

    @pytest.mark.slow
    def test_the_largest_scores_inside_the_mask_are_selected_after_any_training(self):
        model, x, y = searching()
        first = ticket_of(model, {})
        fit(model, x, y, steps=4)
        ticket = ticket_of(model, {})
        assert ticket.kept == round(72 * 0.2) and ticket.sha256 != first.sha256
        for selected, score, mask, parametrization in zip(
            ticket.masks, scores(model), masks(model), parametrizations(model), strict=True
        ):
            (expected,) = global_masks([np.abs(score)], parametrization.target, within=[mask])
            np.testing.assert_array_equal(selected, expected)

    @pytest.mark.slow
    @pytest.mark.parametrize("weights", ["own", "signed_constant"])
    def test_weights_are_the_same_bits_after_training_and_after_fold(self, weights):
        model, x, y = searching(weights=weights)
        before, searched = stock(model), scores(model)
        fit(model, x, y, steps=2)
        nets.assert_equal(stock(model), before)
        assert all((a != b).any() for a, b in zip(scores(model), searched, strict=True))
        nets.poison(model)
        expected, ticket = nets.outputs(model, x), ticket_of(model, {})
        tt.fold(model)
        np.testing.assert_array_equal(model.predict(x, verbose=0), model(x))
        np.testing.assert_array_equal(nets.outputs(model, x), expected)
        chosen = [before[i] if i % 2 else np.where(ticket.masks[i // 2], before[i], 0) for i in range(4)]
        nets.assert_equal(model.get_weights(), chosen)
        assert [type(layer) for layer in model.layers] == [keras.layers.Dense] * 2
        assert len(model.trainable_variables) == 4
        fit(model, x, y, steps=1)
        assert all((a != b).any() for a, b in zip(model.get_weights(), chosen, strict=True))

    @pytest.mark.slow
    def test_a_fold_for_the_duration_does_not_thaw_the_weights(self):
        model, x, y = searching()
        before = stock(model)
        with tt.layers.folded(model):
            assert len(model.trainable_variables) == 4
        assert len(model.trainable_variables) == 2
        fit(model, x, y, steps=2)
        nets.assert_equal(stock(model), before)

    @pytest.mark.slow
    def test_normalisation_is_frozen_but_its_statistics_go_on(self):
        model = nets.build("functional")
        edge_popup(nets.compiled(model, run_eagerly=True), 0.5)
        x, y = nets.inputs_of(model)
        normal = next(layer for layer in model.layers if "normal" in layer.name)
        before, gamma = value_of(normal.moving_mean), value_of(normal.gamma)
        assert len(model.trainable_variables) == 3
        fit(model, x, y, steps=1)
        assert (value_of(normal.moving_mean) != before).all()
        np.testing.assert_array_equal(normal.gamma, gamma)

    @pytest.mark.slow
    def test_a_mask_that_hides_nothing_is_plain_edge_popup(self):
        found = []
        for mask in (False, True):
            model, x, y = perceptron(sparsity=0)
            if mask:
                tt.mask_layers(model)
            edge_popup(model, 0.6, weights="own")
            fit(model, x, y, steps=2)
            found.append([*scores(model), *ticket_of(model, {}).masks])
        nets.assert_equal(*found)

    @pytest.mark.slow
    def test_two_replicas_select_what_one_device_does(self):
        found = []
        for scope in (tf.distribute.get_strategy(), two_replicas()):
            with scope.scope():
                model = nets.build("sequential")
                tt.prune(model, "er", sparsity=0.5)
                edge_popup(nets.compiled(model, run_eagerly=not found), 0.8)
            x, y = nets.inputs_of(model)
            fit(model, x, y, AnnealedDensity(0.4, levels=2), epochs=2, steps=1)
            found.append((ticket_of(model, {}).masks, scores(model)))
        nets.assert_equal(found[0][0], found[1][0])
        nets.assert_equal(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)

    @pytest.mark.slow
    def test_the_optimizer_is_renewed_with_its_settings(self):
        model, x, y = perceptron(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.03)))
        fit(model, x, y, steps=1)
        used = model.optimizer
        edge_popup(model, 0.8)
        assert type(model.optimizer) is type(used) and model.optimizer is not used
        assert float(np.asarray(model.optimizer.learning_rate)) == pytest.approx(0.03)
        fit(model, x, y, steps=1)


class TestTheStart:
    def test_constant_weights_keep_their_signs(self):
        model, _, _ = perceptron()
        before = stock(model)
        edge_popup(model, 0.8)
        after = stock(model)
        for i, fan_in in ((0, 6), (2, 8)):
            kept = before[i] != 0
            np.testing.assert_allclose(np.abs(after[i][kept]), np.sqrt(2 / fan_in), rtol=1e-6)
            np.testing.assert_array_equal(np.sign(after[i]), np.sign(before[i]))
            np.testing.assert_array_equal(after[i + 1], before[i + 1])

    @pytest.mark.slow
    def test_they_grow_with_the_density_where_asked(self):
        plain, scaled = searching()[0], searching(scale_by_density=True)[0]
        for a, b, parametrization, size in zip(
            stock(plain)[::2], stock(scaled)[::2], parametrizations(plain), (48, 24), strict=True
        ):
            np.testing.assert_allclose(b, a * np.sqrt(size / parametrization.target), rtol=1e-6)

    @pytest.mark.slow
    def test_seeds_draw_weights_and_scores(self):
        nets_ = [searching(weights="kaiming_normal", seed=seed)[0] for seed in (3, 3, 4)]
        nets.assert_equal(stock(nets_[0]), stock(nets_[1]))
        nets.assert_equal(scores(nets_[0]), scores(nets_[1]))
        assert (scores(nets_[0])[0] != scores(nets_[2])[0]).any() and (
            stock(nets_[0])[0] != stock(nets_[2])[0]
        ).any()
        for score, fan_in in zip(scores(nets_[0]), (6, 8), strict=True):
            assert 0.5 < np.abs(score).max() * np.sqrt(fan_in) <= 1

    @pytest.mark.slow
    def test_a_layer_selects_no_more_than_its_mask_has_and_the_others_share_it(self):
        model, _, _ = perceptron(sparsity=0)
        tt.mask_layers(model)
        source = [np.arange(48).reshape(6, 8) < 4, np.ones((8, 3), bool)]
        tt.layers.set_masks(tt.masked_weights(model), source)
        edge_popup(model, 0.75)  # uniform would be 12 and 6
        assert [parametrization.target for parametrization in parametrizations(model)] == [4, 14]
        assert counts(ticket_of(model, {}).masks) == [4, 14]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "arguments, message",
        [
            ({"sparsity": 0.4}, "keeps 43 of 72 .*source mask has 36.*cannot be denser"),
            ({"sparsity": 1.0}, "sparsity is the fraction"),
            ({"sparsity": 0.8, "weights": "orthogonal"}, "(?s)weights.*orthogonal.*signed_constant"),
            ({"sparsity": 0.8, "ratios": "guess"}, "ratios='guess' is unknown"),
        ],
    )
    def test_what_is_refused_before_anything_is_changed(self, arguments, message):
        model, x, _ = perceptron()
        before = nets.outputs(model, x)
        with pytest.raises(ValueError, match=message):
            edge_popup(model, **arguments)
        np.testing.assert_array_equal(nets.outputs(model, x), before)
        assert len(model.trainable_variables) == 4

    def test_a_layer_that_is_frozen_already_and_would_never_be_searched(self):
        model, _, _ = perceptron()
        model.layers[1].trainable = False
        with pytest.raises(ValueError, match=f"Layer '{model.layers[1].name}' is frozen.*scores.*Thaw it"):
            edge_popup(model, 0.8)
        assert not any(entry.layer.parametrizations for entry in tt.masked_weights(model))


class TestFiles:
    @pytest.mark.slow
    def test_weights_files_keep_scores_and_counts_and_keras_files_are_refused(self, tmp_path):
        model, x, y = searching()
        fit(model, x, y, steps=1)
        parametrizations(model)[0].variables["count"].assign(5)
        model.save_weights(tmp_path / "x.weights.h5")
        (tmp_path / "x.keras").write_text("before")
        with pytest.raises(ValueError, match=r"tf_tickets\.fold\(model\)"):
            model.save(tmp_path / "x.keras")
        assert (tmp_path / "x.keras").read_text() == "before"
        twin, _, _ = searching(seed=9)
        twin.load_weights(tmp_path / "x.weights.h5")
        nets.assert_equal(ticket_of(twin, {}).masks, ticket_of(model, {}).masks)
        np.testing.assert_array_equal(nets.outputs(twin, x), nets.outputs(model, x))
