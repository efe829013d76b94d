"""Rounds of pruning, masks within masks, masks of independent weights, and layers that stay alive."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tests import smallnet
from tests.pruning import nets
from tests.pruning.nets import assert_same
from tf_tickets.layers import prunable_weights
from tf_tickets.pruning import (
    Quota,
    draw_ticket,
    keep_counts,
    keep_densities,
    plan_budgets,
    round_sparsities,
)
from tf_tickets.pruning.channels import channel_axes
from tf_tickets.pruning.flow_preservation import preserve_flow
from tf_tickets.pruning.top_k import top_k


def ticket_of(model, score, ratios="global", sparsity=0.9, data=None, seed=0, **arguments):
    names = ("within", "only_round", "paths")
    drawing = {name: arguments.pop(name) for name in names if name in arguments}
    quota = Quota(ratios=ratios, sparsity=sparsity, **arguments)
    return draw_ticket(model, score, quota, data=data, seed=seed, **drawing)


def contained(one, other):
    return all((a <= b).all() for a, b in zip(one.masks, other.masks, strict=True))


class TestRounds:
    @given(st.floats(0.01, 0.999), st.integers(1, 100))
    def test_densities_are_a_geometric_series_that_ends_at_the_target(self, sparsity, rounds):
        found = round_sparsities(sparsity, rounds)
        assert len(found) == rounds and found[-1] == sparsity
        densities = 1 - np.array([0, *found])
        np.testing.assert_allclose(densities[1:] / densities[:-1], (1 - sparsity) ** (1 / rounds), rtol=1e-6)

    @pytest.mark.slow
    def test_the_target_is_met_to_the_unit(self):
        """Of scores that see masks; the others are below."""
        model = nets.convolutional()
        ticket = ticket_of(model, "snip", data=nets.examples(model), rounds=3, paths=False)
        assert (ticket.kept, ticket.origin["rounds"]) == (round(ticket.total * 0.1), 3)

    @pytest.mark.slow
    def test_each_round_scores_what_the_one_before_has_left(self):
        model, seen = nets.functional(), []

        def watching(model, batches, rng):
            seen.append(nets.masks(model))
            return nets.magnitudes(model, batches, rng)

        ticket = ticket_of(model, watching, sparsity=0.9, rounds=3, paths=False)
        kept = [sum(int(mask.sum()) for mask in masks) if masks else 103 for masks in seen]
        assert kept == [103, round(103 * 0.1 ** (1 / 3)), round(103 * 0.1 ** (2 / 3))]
        assert all((a <= b).all() for a, b in zip(ticket.masks, seen[-1], strict=True))
        # Magnitudes of what is left are what they were, so rounds end where one round does.
        assert_same(ticket.masks, ticket_of(model, nets.magnitudes, sparsity=0.9, paths=False).masks)

    @pytest.mark.slow
    @pytest.mark.parametrize("score", ["snip", "synflow"])
    def test_of_ratios_that_leave_layers_empty(self, score):
        model = nets.functional()
        data = nets.examples(model)
        ticket = ticket_of(model, score, [1, 0, 1], 0.8, data=data, rounds=5, paths=False)
        assert (ticket.kept, ticket.layers[1].kept) == (21, 0)

    @pytest.mark.slow
    def test_rounds_make_a_difference_to_scores_that_see_masks(self):
        model = nets.functional()
        data = nets.examples(model, 12)
        once = ticket_of(model, "snip", sparsity=0.8, data=data, paths=False)
        often = ticket_of(model, "snip", sparsity=0.8, data=data, rounds=5, paths=False)
        assert once.sha256 != often.sha256

    @pytest.mark.slow
    @pytest.mark.parametrize("ratios", ["global", "smart", "erk", "uniform"])
    @given(st.floats(0.3, 0.99), st.integers(2, 12), st.integers(0, 3))
    @settings(deadline=None, max_examples=10)
    def test_no_round_keeps_more_than_the_one_before(self, ratios, sparsity, rounds, min_keep):
        quota = Quota(ratios=ratios, sparsity=sparsity, rounds=rounds, min_keep=min_keep)
        try:
            budgets = plan_budgets(shared(), "snip", quota)
        except ValueError:
            return  # no round for min_keep
        counts = [[*(x.counts or []), x.ranked, x.classifier or 0] for x in budgets]
        assert all(a >= b for one, two in itertools.pairwise(counts) for a, b in zip(one, two, strict=True))
        assert sum(budgets[-1].counts or [budgets[-1].ranked]) == round(1784 * (1 - sparsity))

    @pytest.mark.slow
    @pytest.mark.parametrize("masked", [False, True])
    def test_leave_the_model_as_it_was(self, masked):
        model = nets.functional()
        if masked:
            tt.prune(model, "random", 0.5)
        before = nets.state(model)
        ticket_of(model, "snip", data=nets.examples(model), rounds=2)
        assert_same(nets.state(model), before)
        assert bool(tt.masked_weights(model)) == masked

    @pytest.mark.slow
    def test_an_error_in_a_later_round_leaves_the_model_as_it_was(self):
        model, calls = nets.functional(), []

        def failing(model, batches, rng):
            calls.append(1)
            if len(calls) > 2:
                raise RuntimeError("stop")
            return nets.magnitudes(model, batches, rng)

        before = nets.state(model)
        with pytest.raises(RuntimeError, match="stop"):
            tt.prune(model, "snip", 0.9, score=failing, rounds=4)
        assert_same(nets.state(model), before)

    @pytest.mark.slow
    def test_synflow_takes_a_hundred_rounds_by_itself(self):
        model = nets.functional()
        ticket = tt.prune(model, "synflow", 0.9)
        assert ticket.origin["rounds"] == 100
        assert tt.prune(nets.functional(), "synflow", 0.9, rounds=1).origin["rounds"] == 1

    @pytest.mark.parametrize("rounds", [0, -1, 2.0, "2", True])
    def test_numbers_of_rounds(self, rounds):
        with pytest.raises(ValueError, match=r"rounds is a whole number, 1 to 10,000. Received: "):
            ticket_of(shared(), "snip", rounds=rounds)

    @pytest.mark.parametrize("method", ["random", "erk", "lr_rewinding"])
    def test_of_scores_that_masks_do_not_change_are_refused(self, method):
        model = nets.functional()
        with pytest.raises(
            ValueError, match=r"rounds=3: .* further rounds without training .* change nothing"
        ):
            tt.prune(model, method, 0.9, rounds=3)

    @pytest.mark.slow
    def test_one_of_the_rounds_at_a_time_ends_as_all_at_once(self):
        model = nets.functional()
        data = nets.examples(model)
        at_once = ticket_of(model, "snip", "erk", data=data, rounds=3, paths=False)
        ticket = None
        for number in range(3):
            ticket = ticket_of(
                model, "snip", "erk", data=data, rounds=3, only_round=number, within=ticket, paths=False
            )
        assert_same(ticket.masks, at_once.masks)


class TestScoresInRounds:
    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["synflow", "grasp"])
    def test_rank_as_the_ticket_does(self, name):
        model = nets.functional()
        options = {"data": nets.examples(model), **({"redraw_classifier": False} if name == "grasp" else {})}
        before = nets.state(model)
        arrays = tt.score(model, name, rounds=2, sparsity=0.8, **options)
        assert_same(nets.state(model), before)
        ticket = tt.prune(model, name, 0.8, rounds=2, **options)
        assert (ticket.kept, ticket.origin["rounds"]) == (round(ticket.total * 0.2), 2)
        ranked = np.concatenate([array.ravel() for array in arrays]) * (-1 if name == "grasp" else 1)
        assert_same(top_k(ranked, ticket.kept), np.concatenate([mask.ravel() for mask in ticket.masks]))

    @pytest.mark.parametrize("arguments", [{"rounds": 4}, {"sparsity": 0.5}, {"rounds": 1, "sparsity": 0.5}])
    def test_need_to_know_where_they_lead(self, arguments):
        with pytest.raises(ValueError, match=r"rounds= and sparsity= go together. Received: rounds="):
            tt.score(shared(), "synflow", **arguments)


class TestWithin:
    @pytest.mark.slow
    def test_keeps_only_what_is_kept_there(self):
        model = nets.functional()
        source = ticket_of(model, "random", "erk", sparsity=0.5, seed=4)
        assert contained(ticket_of(model, "magnitude", sparsity=0.8, within=source), source)
        assert contained(ticket_of(model, "synflow", sparsity=0.8, within=source, rounds=2), source)
        again = tt.prune(model, "random", 0.9, within=source.masks, ratios="global")
        assert contained(again, source) and again.kept == 10

    @pytest.mark.slow
    def test_rounds_start_from_there(self):
        model, seen = nets.functional(), []
        source = ticket_of(model, "random", "erk", sparsity=0.5, seed=4)

        def watching(model, batches, rng):
            seen.append(sum(int(mask.sum()) for mask in nets.masks(model)))
            return nets.magnitudes(model, batches, rng)

        ticket = ticket_of(model, watching, sparsity=0.875, rounds=2, within=source, paths=False)
        assert seen == [52, round(52 * (13 / 52) ** 0.5)] and ticket.kept == 13

    @pytest.mark.slow
    @pytest.mark.parametrize("ratios", ["uniform", "smart", "pyramidal", "balanced", [1, 1, 0.1]])
    def test_layers_share_what_the_source_cannot_hold(self, ratios):
        model = nets.functional((20, 30, 20, 10))
        source = ticket_of(model, "random", "erk", sparsity=0.5, seed=4)
        room = [layer.kept for layer in source.layers]
        found = ticket_of(model, "magnitude", ratios, sparsity=0.55, within=source)
        assert contained(found, source) and found.kept == round(0.45 * found.total)
        free = ticket_of(model, "magnitude", ratios, sparsity=0.55)
        assert any(a.kept > has for a, has in zip(free.layers, room, strict=True)), "the source binds"
        clamped = ticket_of(model, "magnitude", ratios, sparsity=0.55, within=source, redistribute=False)
        assert contained(clamped, source) and clamped.kept < found.kept

    @pytest.mark.slow
    def test_a_classifier_apart_keeps_what_the_source_has(self):
        model = nets.functional((20, 30, 20, 10))
        source = ticket_of(model, "random", "uniform", sparsity=0.5, seed=4)
        found = ticket_of(model, "magnitude", sparsity=0.7, classifier_keep=1.0, within=source)
        assert found.kept == round(0.3 * found.total) and contained(found, source)
        assert found.layers[-1].kept == source.layers[-1].kept

    @pytest.mark.slow
    def test_iterative_magnitude_pruning_by_hand(self):
        """What the command line does with --rounds, in three lines of the user's own."""
        model = nets.functional()
        x, y = nets.examples(model, 12)
        model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
        ticket = None
        for sparsity in round_sparsities(0.9, 3):
            model.fit(x, y, verbose=0)
            after = tt.prune(model, "lr_rewinding", sparsity, within=ticket)
            assert ticket is None or contained(after, ticket)
            ticket = after
        assert ticket.kept == 10

    def test_what_does_not_fit(self):
        model, source = nets.functional(), ticket_of(nets.functional(), "random", "uniform", sparsity=0.9)
        for ratios in ("global", "uniform"):
            with pytest.raises(ValueError, match=r"keeps 52 of 103 weights, .* the source mask has 10"):
                ticket_of(model, "magnitude", ratios, sparsity=0.5, within=source)
        with pytest.raises(ValueError, match=r"within= has masks of shapes \[\(2,\)\], and the model's"):
            ticket_of(model, "magnitude", within=[np.ones(2, bool)])
        with pytest.raises(ValueError, match=r"within= takes a Ticket or a list of bool masks. Received: 3"):
            ticket_of(model, "magnitude", within=3)
        with pytest.raises(ValueError, match=r"within= takes bool masks. Received: \['float32'\]"):
            ticket_of(model, "magnitude", within=[mask.astype("float32") for mask in source.masks])


class TestBernoulli:
    def test_keeps_each_weight_with_its_layers_density(self):
        model = nets.functional((200, 300, 100, 10))
        ticket = ticket_of(model, "random", "erk", sparsity=0.9, sampling="bernoulli", seed=1)
        densities = keep_densities(model, 0.9, "erk")
        for layer, density in zip(ticket.layers, densities, strict=True):
            spread = 4 * np.sqrt(layer.total * density * (1 - density))
            assert abs(layer.kept - density * layer.total) < spread
        assert ticket.notes == (f"Bernoulli masks: {ticket.total * 0.1:,.1f} weights are kept on average",)

    @pytest.mark.slow
    def test_counts_differ_from_seed_to_seed(self):
        model = nets.functional((20, 30, 10))
        kept = {
            ticket_of(model, "random", "uniform", 0.5, sampling="bernoulli", seed=s).kept for s in range(9)
        }
        assert len(kept) > 1
        one, same = (
            ticket_of(model, "random", "uniform", 0.5, sampling="bernoulli", seed=3) for _ in range(2)
        )
        assert_same(one.masks, same.masks)

    @pytest.mark.parametrize(
        "changes",
        [{"score": "magnitude"}, {"ratios": "global"}, {"rounding": "reference"}, {"score": nets.magnitudes}],
    )
    def test_is_for_random_scores_with_ratios(self, changes):
        arguments = {"score": "random", "ratios": "smart", "sampling": "bernoulli", **changes}
        with pytest.raises(
            ValueError, match="sampling='bernoulli' is for random scores with ratios of layers"
        ):
            ticket_of(shared(), **arguments)


class TestLayersStayAlive:
    @pytest.mark.slow
    @pytest.mark.parametrize("score", ["random", "magnitude"])
    @pytest.mark.parametrize("ratios", ["global", "smart", "erk", "pyramidal", "balanced"])
    def test_no_channel_is_dead_and_the_total_is_met(self, score, ratios):
        model = shared()
        ticket = ticket_of(model, score, ratios, 0.9, preserve_flow=True)
        assert ticket.kept == 178
        entries = prunable_weights(model)
        again = preserve_flow(
            ticket.masks,
            [np.ones(mask.shape) for mask in ticket.masks],
            [channel_axes(x) for x in entries],
        )
        assert_same(again, list(ticket.masks))
        assert ticket.on_path == tuple(layer.kept for layer in ticket.layers), "all of it lies on a path"

    def test_bernoulli_masks_grow_instead(self):
        ticket = ticket_of(shared(), "random", "pyramidal", 0.9, sampling="bernoulli", preserve_flow=True)
        assert ticket.on_path == tuple(layer.kept for layer in ticket.layers)

    @pytest.mark.slow
    def test_in_every_round(self):
        model = nets.functional()
        ticket = ticket_of(
            model, "snip", data=nets.examples(model), sparsity=0.6, rounds=2, preserve_flow=True
        )
        assert ticket.kept == round(ticket.total * 0.4)
        assert sum(ticket.on_path) == ticket.kept

    @pytest.mark.slow
    @pytest.mark.parametrize("method", ["magnitude", "lt"])
    def test_with_min_keep_and_a_classifier_apart(self, method):
        model = smallnet.build()
        ticket = tt.prune(
            model, method, 0.7, init_weights=model.get_weights(), preserve_flow=True, min_keep=70
        )
        assert ticket.kept == 535 and min(layer.kept for layer in ticket.layers) >= 70
        assert method != "lt" or ticket.layers[-1].kept == 160, "all of the classifier, as its rule says"
        assert sum(ticket.on_path) == 535 and not ticket.notes

    def test_bernoulli_masks_have_no_counts_to_keep(self):
        with pytest.raises(ValueError, match=r"min_keep=3 is for exact counts; sampling='bernoulli' draws"):
            ticket_of(shared(), "random", "erk", min_keep=3, sampling="bernoulli")

    @pytest.mark.parametrize("name", ["preserve_flow", "redistribute"])
    def test_what_is_neither_true_nor_false(self, name):
        with pytest.raises(ValueError, match=f"{name} is True or False. Received: 'no'"):
            ticket_of(shared(), "random", "erk", **{name: "no"})

    @pytest.mark.parametrize("ratios", ["global", "uniform"])
    def test_too_little_to_keep_channels_alive(self, ratios):
        with pytest.raises(
            ValueError, match=r"keeps 36 weights, and preserve_flow=True needs \d+ in all layers"
        ):
            ticket_of(shared(), "magnitude", ratios, 0.98, preserve_flow=True)

    def test_a_source_with_dead_channels_cannot_be_mended(self):
        model = nets.functional()
        masks = [np.ones(kernel.shape, bool) for kernel in nets.kernels(model)]
        masks[1][3] = False
        with pytest.raises(ValueError, match="masks given as within= have channels without any weight"):
            ticket_of(model, "magnitude", sparsity=0.5, within=masks, preserve_flow=True)

    @pytest.mark.slow
    @pytest.mark.parametrize("ratios", ["global", "smart", "uniform", [1, 0, 0, 1]])
    def test_min_keep_of_every_layer(self, ratios):
        ticket = ticket_of(shared(), "magnitude", ratios, 0.95, min_keep=12)
        assert ticket.kept == 89
        assert min(layer.kept for layer in ticket.layers) >= 12

    @pytest.mark.parametrize("ratios", ["global", "uniform"])
    def test_more_than_the_budget(self, ratios):
        with pytest.raises(ValueError, match=r"8[0-9]"):
            ticket_of(shared(), "magnitude", ratios, 0.95, min_keep=60)

    @pytest.mark.parametrize("min_keep", [-1, 1.5, "3", None, True])
    def test_numbers_to_keep(self, min_keep):
        with pytest.raises(ValueError, match=r"min_keep is a number of weights, 0 or more. Received: "):
            ticket_of(shared(), "magnitude", min_keep=min_keep)


class TestRatiosOfAnotherTicket:
    @pytest.mark.slow
    def test_are_taken_as_they_are(self):
        model = shared()
        magnitudes = ticket_of(model, "magnitude", sparsity=0.8)
        drawn = tt.prune(smallnet.build(), "random", 0.8, ratios=magnitudes, seed=5)
        assert [layer.kept for layer in drawn.layers] == [layer.kept for layer in magnitudes.layers]
        assert drawn.sha256 != magnitudes.sha256
        assert drawn.origin["ratios"] == [layer.keep_ratio for layer in magnitudes.layers]

    @pytest.mark.slow
    def test_are_scaled_to_another_sparsity(self):
        model = shared()
        magnitudes = ticket_of(model, "magnitude", sparsity=0.8)
        assert ticket_of(model, "random", magnitudes, sparsity=0.95).kept == 89

    @pytest.mark.slow
    def test_by_name_and_by_position_alike(self):
        model = shared()
        by_name = {"conv1": 0.5, "conv2": 0.05, "conv3": 0.2, "fc": 0.3}
        one = ticket_of(model, "random", by_name)
        for by_position in (list(by_name.values()), np.array(list(by_name.values()))):
            assert_same(one.masks, ticket_of(model, "random", by_position).masks)
        assert_same(one.masks, tt.prune(smallnet.build(), "random", 0.9, ratios=by_position).masks)
        assert [layer.kept for layer in one.layers] == keep_counts(model, 0.9, by_name)


def shared():
    """A masked small net, whose forward order is traced once; none of these tests changes it."""
    if "model" not in _shared:
        _shared["model"] = smallnet.build()
        tt.mask_layers(_shared["model"])
    return _shared["model"]


_shared = {}
