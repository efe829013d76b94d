"""Drawing tickets: the authors' masks bit for bit, fair random masks, and what is noted of the counts."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tests import smallnet
from tests.pruning import nets
from tests.pruning.nets import assert_same
from tf_tickets import pruning
from tf_tickets.pruning import RATIOS, Quota, keep_counts
from tf_tickets.pruning.quota import OPTIONS
from tf_tickets.pruning.top_k import top_k

SPARSITIES = ["0.9", "0.5"]


def draw_ticket(model, score, ratios, sparsity, rounding="exact", **arguments):
    """`pruning.draw_ticket`, the quota's fields among the other arguments."""
    own = {name: arguments.pop(name) for name in OPTIONS if name in arguments}
    quota = Quota(ratios=ratios, sparsity=sparsity, rounding=rounding, **own)
    return pruning.draw_ticket(model, score, quota, **{"paths": False, **arguments})


# Its dense first layer alone is more than a tenth of the small net.
EVERY_RATIOS = ["global", *sorted(RATIOS.keys() - {"uniform_dense_first"})]


@pytest.fixture(scope="module")
def small():
    """Masked, so that its forward order is traced just once."""
    model = smallnet.build()
    tt.mask_layers(model)
    return model


def fixture_masks(name, prefix):
    arrays = smallnet.fixture(name)
    return [arrays[f"keras/{prefix}/{layer}"].astype(bool) for layer in smallnet.PRUNABLE]


class TestTheAuthorsMasks:
    """The fixtures, made by their code from the small net's float32 weights."""

    @pytest.mark.parametrize("sparsity", SPARSITIES)
    def test_lottery_ticket(self, small, sparsity):
        ticket = draw_ticket(
            small, "magnitude", "global", float(sparsity), rounding="reference", classifier_keep=1.0
        )
        assert_same(ticket.masks, fixture_masks("lt_float32", f"mask/{sparsity}"))
        assert ticket.kept == {"0.9": 178, "0.5": 891}[sparsity]

    @pytest.mark.parametrize("sparsity", SPARSITIES)
    @pytest.mark.parametrize(("family", "arch"), [("resnet", "resnet"), ("vgg", "vgg19_bn")])
    def test_hybrid_ticket(self, small, sparsity, family, arch):
        ticket = draw_ticket(
            small, "magnitude", "smart", float(sparsity), rounding="reference", family=family
        )
        assert_same(ticket.masks, fixture_masks("hybrid_float32", f"{arch}/mask/{sparsity}"))

    @pytest.mark.slow
    def test_through_prune(self, small):
        weights = nets.values(small)
        with pytest.warns(UserWarning, match="After pruning, the network has collapsed: no path is left"):
            lt = tt.prune(smallnet.build(), "lt", 0.9, init_weights=weights, rounding="reference")
        assert_same(lt.masks, fixture_masks("lt_float32", "mask/0.9"))
        assert lt.collapsed == "the network has collapsed: no path is left from an input to an output"
        assert lt.collapsed in lt.summary()
        hybrid = tt.prune(smallnet.build(), "hybrid", 0.5, rounding="reference", family="vgg")
        assert_same(hybrid.masks, fixture_masks("hybrid_float32", "vgg19_bn/mask/0.5"))


class TestCounts:
    @pytest.mark.slow
    @pytest.mark.parametrize("ratios", EVERY_RATIOS)
    @pytest.mark.parametrize("score", ["random", "magnitude"])
    @pytest.mark.parametrize("sparsity", [0, 0.3, 0.9, 0.99])
    def test_the_total_is_met_to_the_unit(self, small, ratios, score, sparsity):
        ticket = draw_ticket(small, score, ratios, sparsity)
        assert ticket.kept == round(1784 * (1 - sparsity))
        assert ticket.total == 1784
        if ratios != "global":
            assert [layer.kept for layer in ticket.layers] == keep_counts(small, sparsity, ratios)

    @pytest.mark.slow
    @given(st.floats(0, 0.999), st.one_of(st.none(), st.floats(0.01, 1)))
    @settings(deadline=None, max_examples=50)
    def test_also_with_the_classifier_apart(self, small, sparsity, classifier_keep):
        ticket = draw_ticket(small, "magnitude", "global", sparsity, classifier_keep=classifier_keep)
        assert ticket.kept == round(1784 * (1 - sparsity))

    def test_the_largest_are_kept(self, small):
        scores = tt.score(small, "magnitude")
        together = draw_ticket(small, "magnitude", "global", 0.7)
        flat = np.concatenate([score.ravel() for score in scores])
        np.testing.assert_array_equal(
            np.concatenate([mask.ravel() for mask in together.masks]), top_k(flat, 535)
        )
        apart = draw_ticket(small, "magnitude", "smart", 0.7)
        for score, mask in zip(scores, apart.masks, strict=True):
            assert score[mask].min() > score[~mask].max(initial=-1)

    @pytest.mark.parametrize("ratios", EVERY_RATIOS)
    def test_tickets_are_nested_as_sparsity_grows(self, small, ratios):
        tickets = [draw_ticket(small, "magnitude", ratios, sparsity) for sparsity in (0.5, 0.8, 0.95)]
        for more, fewer in itertools.pairwise(tickets):
            assert all(np.all(a >= b) for a, b in zip(more.masks, fewer.masks, strict=True))

    def test_the_classifier_apart_is_charged_to_the_budget(self, small):
        ticket = draw_ticket(small, "magnitude", "global", 0.5, classifier_keep=1.0)
        assert ticket.kept == 892
        assert ticket.masks[-1].all()
        others = np.concatenate([score.ravel() for score in tt.score(small, "magnitude")[:-1]])
        kept = np.concatenate([mask.ravel() for mask in ticket.masks[:-1]])
        np.testing.assert_array_equal(kept, top_k(others, 892 - 160))


class TestRandomMasks:
    """A random ticket is one of all choices of that many weights a layer, each as likely as the other."""

    def drawn(self, model, sparsity, draws, ratios="uniform"):
        """Masks of many seeds, `(draws, *shape)` for each layer."""
        tt.mask_layers(model)
        tickets = (draw_ticket(model, "random", ratios, sparsity, seed=seed) for seed in range(draws))
        return [np.stack(layers) for layers in zip(*(t.masks for t in tickets), strict=True)]

    @pytest.mark.slow
    def test_every_choice_is_equally_likely(self):
        # 2 of 4 weights in the one layer: six choices.
        masks = self.drawn(nets.functional((2, 2)), 0.5, 1500)[0].reshape(1500, 4)
        _, counts = np.unique(masks, axis=0, return_counts=True)
        assert len(counts) == 6
        chi_square = np.sum((counts - 250) ** 2 / 250)
        assert chi_square < 20.5  # exceeded once in a thousand, at 5 degrees of freedom

    @pytest.mark.slow
    def test_every_weight_is_equally_likely(self):
        for masks in self.drawn(nets.functional((6, 8, 5, 3)), 0.8, 800, ratios="smart"):
            draws, (keep, size) = len(masks), (np.count_nonzero(masks[0]), masks[0].size)
            counts, expected = masks.sum(axis=0).ravel(), len(masks) * keep / size
            # Of k of n without replacement: n - 1 degrees of freedom after this scaling.
            chi_square = np.sum((counts - expected) ** 2) / (draws * keep / size * (1 - keep / size))
            chi_square *= (size - 1) / size
            assert abs(chi_square - (size - 1)) < 4 * np.sqrt(2 * (size - 1))

    @pytest.mark.slow
    def test_layers_are_independent(self):
        first, second = self.drawn(nets.functional((3, 3, 3)), 0.5, 800)
        pairs = np.corrcoef(first.reshape(800, 9).T, second.reshape(800, 9).T)[:9, 9:]
        assert np.abs(pairs).max() < 4.5 / np.sqrt(800)

    def test_same_seed_same_mask_and_other_seed_other_mask(self, small):
        one, same, other = (draw_ticket(small, "random", "smart", 0.9, seed=s) for s in (1, 1, 2))
        assert_same(one.masks, same.masks)
        assert not np.array_equal(one.masks[1], other.masks[1])
        assert [layer.kept for layer in one.layers] == [layer.kept for layer in other.layers]


class TestOriginAndNotes:
    def test_origin_says_how_it_was_drawn(self, small):
        ticket = draw_ticket(
            small, "magnitude", "smart", 0.9, seed=np.int64(3), family="vgg", classifier_keep=np.float32(0.5)
        )
        assert ticket.origin == {
            "score": "magnitude",
            "ratios": "smart",
            "sparsity": 0.9,
            "seed": 3,
            "rounding": "exact",
            "classifier_keep": 0.5,
            "family": "vgg",
            "redistribute": True,
            "min_keep": 0,
            "sampling": "exact",
            "preserve_flow": False,
            "rounds": 1,
            "pattern": None,
            "samples_per_class": None,
            "options": {},
            "within": None,
        }
        json.dumps(ticket.origin)

    def test_names_are_the_paths_of_the_weights(self, small):
        ticket = draw_ticket(small, "random", "smart", 0.9)
        assert ticket.names == ("conv1/kernel", "conv2/kernel", "conv3/kernel", "fc/kernel")

    def test_own_callables_are_named(self, small):
        def curvature(model, batches, rng):
            return nets.kernels(model)

        assert draw_ticket(small, curvature, "global", 0.9).origin["score"] == "curvature"

    def test_a_classifier_cut_to_half_of_the_budget_is_noted(self):
        model = nets.functional((20, 10, 100))
        ticket = draw_ticket(model, "random", "smart", 0.9)
        assert ticket.layers[-1].kept == ticket.kept // 2 == 60
        note = (
            "the classifier keeps 6.00% of its weights, not 30%: "
            "more would take over half of the whole budget"
        )
        assert ticket.notes == (note,)
        assert ticket.summary().endswith(f"note: {note}")

    def test_so_with_the_lottery_tickets_rule(self):
        ticket = draw_ticket(nets.functional((20, 10, 100)), "magnitude", "global", 0.9, classifier_keep=1.0)
        assert ticket.layers[-1].kept == 60
        assert "keeps 6.00% of its weights, not 100%" in ticket.notes[0]

    @pytest.mark.parametrize("ratios", ["global", "smart", "uniform"])
    @pytest.mark.parametrize("sparsity", [0, 0.1, 0.5, 0.9])
    def test_nothing_is_noted_where_it_is_not(self, small, ratios, sparsity):
        assert draw_ticket(small, "random", ratios, sparsity).notes == ()

    @pytest.mark.parametrize("ratios", ["global", "smart"])
    def test_a_network_of_one_layer_has_no_classifier_apart(self, ratios):
        ticket = draw_ticket(nets.functional((10, 10)), "random", ratios, 0.9, classifier_keep=1.0)
        assert (ticket.kept, ticket.notes) == (10, ())


class TestReferenceRounding:
    def test_a_classifier_over_the_budget_is_refused(self):
        model = nets.functional((20, 10, 100))
        for ratios in ("global", "smart"):
            with pytest.raises(
                ValueError, match=r"budget is .* weights, and classifier_keep=1.0 keeps 1,000"
            ):
                draw_ticket(model, "magnitude", ratios, 0.9, rounding="reference", classifier_keep=1.0)

    def test_a_budget_of_nothing_is_refused(self):
        model = nets.functional((10, 2))
        assert draw_ticket(model, "magnitude", "global", 0.95).kept == 1
        with pytest.raises(ValueError, match=r"sparsity=0.95 keeps none of the 20 weights"):
            draw_ticket(model, "magnitude", "global", 0.95, rounding="reference")

    def test_low_sparsity_fills_the_classifier_with_what_the_others_cannot_hold(self):
        ticket = draw_ticket(
            nets.functional((4, 4, 10)), "random", "global", 0.1, rounding="reference", classifier_keep=0.3
        )
        assert [layer.kept for layer in ticket.layers] == [16, int(56 * 0.9) - 16]


class TestWhatIsRefused:
    """Before anything is scored."""

    @pytest.fixture(autouse=True)
    def model(self, small):
        self.model = small

    def draw(self, **changes):
        def never(model, batches, rng):
            raise AssertionError("scored")

        arguments = {"ratios": "smart", "sparsity": 0.9, **changes}
        draw_ticket(self.model, never, **arguments)

    @pytest.mark.parametrize(
        ("ratios", "message"),
        [
            ("clever", "is unknown. Choose one of: global, smart"),
            (None, "is unknown. Choose one of: .* a Ticket, or a function"),
            (["smart"], "one number a layer, and there are 4 layers"),
            ({}, "conv1/kernel"),
        ],
    )
    def test_ratios(self, ratios, message):
        with pytest.raises(ValueError, match=f"ratios=.*{message}"):
            self.draw(ratios=ratios)

    @pytest.mark.parametrize("rounding", ["down", None])
    def test_roundings(self, rounding):
        with pytest.raises(ValueError, match=r"rounding=.* is unknown. Choose one of: exact, reference"):
            self.draw(rounding=rounding)

    @pytest.mark.parametrize("ratios", ["smart", "global", "uniform"])
    def test_families(self, ratios):
        with pytest.raises(ValueError, match=r"family='vgg19' is unknown. Choose one of: resnet, vgg"):
            self.draw(ratios=ratios, family="vgg19")

    @pytest.mark.parametrize("ratios", ["global", "uniform"])
    def test_families_of_ratios_that_have_none(self, ratios):
        with pytest.raises(ValueError, match=f"ratios='{ratios}' has no families"):
            self.draw(ratios=ratios, family="vgg")

    @pytest.mark.parametrize("fraction", [0, -1, 1.01, "all", True, np.nan])
    @pytest.mark.parametrize("ratios", ["smart", "global"])
    def test_shares_of_the_classifier(self, ratios, fraction):
        with pytest.raises(ValueError, match=r"classifier_keep is a fraction in \(0, 1\]. Received: "):
            self.draw(ratios=ratios, classifier_keep=fraction)

    @pytest.mark.parametrize("ratios", ["smart", "global"])
    @pytest.mark.parametrize("sparsity", [1, -0.1, "0.9", None, 0.9999])
    def test_sparsities(self, ratios, sparsity):
        with pytest.raises(ValueError, match=r"sparsity"):
            self.draw(ratios=ratios, sparsity=sparsity)
