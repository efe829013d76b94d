"""`prune`: what it accepts, where the weights come from, and that a refusal changes nothing."""

import dataclasses
import inspect

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests.pruning import nets
from tests.pruning.nets import assert_same
from tf_tickets.layers import Masked
from tf_tickets.methods.table import Method
from tf_tickets.pruning.quota import OPTIONS


@pytest.fixture
def model():
    return nets.functional()


@pytest.fixture(scope="module", params=["fresh", "masked"])
def unchanged(request):
    """One model for all refusals."""
    model = nets.functional()
    if request.param == "masked":
        tt.prune(model, "random", 0.5)
    return model


def compiled(model):
    """The model after a step of training, its optimizer with it; untraced, for that takes longest."""
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", run_eagerly=True)
    model.train_on_batch(np.ones((4, 6)), np.ones((4, 3)))
    return model


def method(**columns):
    defaults = {
        "score": "magnitude",
        "ratios": "global",
        "scored_at": "trained",
        "start_from": "trained",
        "schedule": "full",
        "about": "a method for a test",
    }
    return Method(**{**defaults, **columns})


# What to change in a good call, and what the error says.
REFUSED = {
    "unknown method": (
        {"method": "hybird"},
        r"method='hybird' is unknown. Did you mean hybrid. Choose one of: dense, random",
    ),
    "method of a wrong type": ({"method": ["hybrid"]}, "method=.* is unknown"),
    "sparsity of 1": ({"sparsity": 1}, r"in \[0, 1\). Received: 1"),
    "negative sparsity": ({"sparsity": -0.5}, "Received: -0.5"),
    "sparsity in percent": ({"sparsity": 98}, "Received: 98"),
    "sparsity as text": ({"sparsity": "0.98"}, "Received: '0.98'"),
    "sparsity of True": ({"sparsity": True}, "Received: True"),
    "sparsity of False": ({"sparsity": False}, "Received: False"),
    "sparsity of NaN": ({"sparsity": float("nan")}, "Received: nan"),
    "no sparsity": ({"sparsity": None}, "Received: None"),
    "nothing left": ({"sparsity": 0.9999}, "keeps none of the 103 prunable weights"),
    "seed of text": ({"seed": "0"}, "A seed is a non-negative integer. Received: '0'"),
    "seed of no integer": ({"seed": 0.5}, "Received: 0.5"),
    "negative seed": ({"seed": -1}, "Received: -1"),
    "unknown rounding": ({"rounding": "up"}, "rounding='up' is unknown. Choose one of: exact, reference"),
    "rounding of dense": (
        {"method": "dense", "sparsity": 0, "rounding": "up"},
        "rounding='up' is unknown. Choose one of: exact, reference",
    ),
    "unknown option": (
        {"temperature": 3},
        "Unknown option temperature. Accepted here: classifier_keep, family, min_keep, pattern, ",
    ),
    "unknown ratios": ({"ratios": "clever"}, "ratios='clever' is unknown"),
    "ratios of a wrong type": (
        {"ratios": [0.5]},
        "takes one number a layer, and there are 3 layers. Received: 1",
    ),
    "unknown family": ({"family": "alexnet"}, "family='alexnet' is unknown. Choose one of: resnet, vgg"),
    "family that ratios do not have": ({"ratios": "global", "family": "vgg"}, "has no families"),
    "classifier_keep out of range": ({"classifier_keep": 0}, r"a fraction in \(0, 1\], .* Received: 0"),
    "classifier_keep not used": (
        {"ratios": "uniform", "classifier_keep": 0.5},
        "ratios='uniform' does not use it",
    ),
    "classifier_keep of a word": (
        {"classifier_keep": "half"},
        r"a fraction in \(0, 1\], 'ranked' \(global ratios\) or 'method'. Received: 'half'",
    ),
    "ranked where nothing is": (
        {"method": "hybrid", "classifier_keep": "ranked"},
        "classifier_keep='ranked' is for global ratios; ratios='smart' ranks nothing",
    ),
    "unknown score": ({"method": method(score="magnitud")}, "score='magnitud' is unknown"),
    "no score": ({"method": method(score=None)}, "score=None is unknown"),
    "unknown ratios of a row": ({"method": method(ratios="clever")}, "ratios='clever' is unknown"),
    "score that cannot be called so": ({"method": method(score=lambda model: [])}, "called as"),
    "score of wrong shapes": (
        {"method": method(score=lambda model, batches, rng: [np.ones(3)])},
        "returned 1 arrays for 3 prunable weights",
    ),
    "score of NaN": (
        {
            "method": method(
                score=lambda model, batches, rng: [k * np.nan for k in nets.kernels(model)],
                scored_at="init",
            ),
            "init_weights": nets.functional(seed=40).get_weights(),
        },
        "returned NaN",
    ),
    "no init_weights": ({"method": "lt"}, r"retrains from the init weights: pass init_weights=.*h5 file"),
    "no weights of epoch k": (
        {"method": "weight_rewinding"},
        "from the rewound weights: pass init_weights=",
    ),
    "init_weights of another model": (
        {"method": "lt", "init_weights": nets.functional((6, 8, 3)).get_weights()},
        "has 4 arrays that do not fit the model's 6 weights",
    ),
    "init_weights of other shapes": (
        {"method": "lt", "init_weights": nets.functional((6, 9, 5, 3)).get_weights()},
        "has 6 arrays that do not fit the model's 6 weights: .*before masking",
    ),
    "init_weights not even used": (
        {"method": "hybrid", "init_weights": nets.functional((6, 9, 5, 3)).get_weights()},
        "do not fit",
    ),
    "init_weights that are NaN": (
        {"method": "lt", "init_weights": [x * np.nan for x in nets.functional().get_weights()]},
        r"init_weights= has NaN or infinite values, those for \S+/kernel among them",
    ),
    "init_weights that are infinite": (
        {"method": "hybrid", "init_weights": [x + np.inf for x in nets.functional().get_weights()]},
        "init_weights= has NaN or infinite values",
    ),
    "init_weights at a URL": (
        {"method": "lt", "init_weights": "s3://bucket/initial.weights.h5"},
        "a path on this machine is needed here, no URL",
    ),
    "init_weights of no arrays": (
        {"method": "lt", "init_weights": 7},
        "a list of arrays or a .weights.h5 file",
    ),
    "init_weights of texts": (
        {"method": "lt", "init_weights": ["a", "b"]},
        "has 2 arrays that do not fit",
    ),
}


class Subclassed(keras.Model):
    """Layers made in another order than that in which data meets them."""

    def __init__(self):
        super().__init__()
        self.last = nets.dense(3, seed=1)
        self.first = nets.dense(7, seed=0)

    def call(self, x):
        return self.last(self.first(x))


class TestAnyModel:
    @pytest.mark.slow
    def test_layers_become_masked_and_nothing_else_changes_but_slots_of_what_is_hidden(self, model):
        before = nets.state(compiled(model))
        ticket = tt.prune(model, "hybrid", 0.5)
        after = nets.state(model)
        assert_same(after["values"], before["values"])
        assert_same(after["optimizer"], nets.forgotten(before["optimizer"], ticket.masks))
        assert [isinstance(layer, Masked) for layer in model.layers] == [False, True, True, True]
        assert ticket.names == tuple(entry.name for entry in tt.masked_weights(model))

    @pytest.mark.slow
    def test_subclassed_models_are_pruned_in_forward_order(self):
        model = Subclassed()
        model(np.zeros((1, 6)))
        ticket = tt.prune(model, "random", 0.5)
        assert [mask.shape for mask in ticket.masks] == [(6, 7), (7, 3)]

    @pytest.mark.slow
    def test_scores_see_the_network_without_its_old_masks(self, model):
        x, seen = np.ones((2, 6)), []

        def watching(model, batches, rng):
            seen.append(model(x).numpy())
            return nets.kernels(model)

        for _ in range(2):
            tt.prune(model, method(score=watching), 0.9)
        np.testing.assert_array_equal(seen[0], nets.functional()(x).numpy())
        np.testing.assert_array_equal(seen[1], seen[0])

    def test_layers_that_a_masked_model_leaves_alone_stay_alone(self, model):
        tt.mask_layers(model, exclude=model.layers[-1])
        ticket = tt.prune(model, "hybrid", 0.5)
        assert ticket.total == 48 + 40
        assert not isinstance(model.layers[-1], Masked)

    def test_layers_masked_by_hand(self):
        inputs = keras.Input((6,))
        model = keras.Model(inputs, nets.dense(3, 1)(tt.layers.MaskedDense(20)(inputs)))
        ticket = tt.prune(model, "random", 0.5)
        assert [mask.shape for mask in ticket.masks] == [(6, 20)]

    @pytest.mark.slow
    def test_random_never_touches_data(self, model):
        class OnAccess:
            def __getattribute__(self, name):
                raise AssertionError("the data was touched")

        ticket = tt.prune(model, "random", 0.5, data=OnAccess())
        assert_same(ticket.masks, tt.prune(nets.functional(seed=5), "random", 0.5).masks)

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", [np.int64(5), np.uint16(5)])
    def test_seeds(self, model, seed):
        ticket = tt.prune(model, "random", 0.5, seed=seed)
        assert_same(ticket.masks, tt.prune(nets.functional(), "random", 0.5, seed=5).masks)
        assert type(ticket.origin["seed"]) is int


class TestInitWeights:
    """Arrays taken, or a file saved, before masking."""

    @pytest.fixture
    def init(self):
        return nets.functional(seed=40).get_weights()

    @pytest.mark.slow
    def test_lottery_ticket_scores_the_trained_and_goes_back(self, model, init):
        trained = nets.kernels(model)
        ticket = tt.prune(model, "lt", 0.5, init_weights=init)
        assert_same(nets.values(model), init)
        expected = tt.prune(nets.functional(), method(classifier_keep=1.0), 0.5)
        assert_same(ticket.masks, expected.masks)
        smallest_kept = min(np.abs(w[mask]).min() for w, mask in zip(trained[:2], ticket.masks, strict=False))
        largest_pruned = max(
            np.abs(w[~mask]).max() for w, mask in zip(trained[:2], ticket.masks, strict=False)
        )
        assert smallest_kept > largest_pruned

    @pytest.mark.slow
    def test_methods_at_the_initialisation_load_it_first(self, model, init):
        at_init = method(scored_at="init", start_from="init")
        ticket = tt.prune(model, at_init, 0.5, init_weights=init)
        assert_same(nets.values(model), init)
        assert_same(ticket.masks, tt.prune(nets.functional(seed=40), method(), 0.5).masks)

    def test_methods_that_stay_at_the_trained_weights_do_not_use_it(self, model, init):
        before = nets.values(model)
        tt.prune(model, "hybrid", 0.5, init_weights=init)
        assert_same(nets.values(model), before)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("of_a_compiled_model", "masked_before"), [(False, True), (True, False), (True, True)]
    )
    def test_from_a_weights_file(self, model, tmp_path, of_a_compiled_model, masked_before):
        path = tmp_path / "init.weights.h5"
        early = nets.functional(seed=40)
        (compiled(early) if of_a_compiled_model else early).save_weights(path)
        init = nets.values(early)
        compiled(model).train_on_batch(np.ones((4, 6)), np.ones((4, 3)))
        if masked_before:
            tt.prune(model, "random", 0.9)
        optimizer = nets.state(model)["optimizer"]
        ticket = tt.prune(model, "lt", 0.5, init_weights=str(path) if masked_before else path)
        assert_same(nets.values(model), init)
        assert_same(nets.masks(model), list(ticket.masks))
        assert_same(nets.state(model)["optimizer"], nets.forgotten(optimizer, ticket.masks))

    def test_arrays_may_be_any_sequence(self, model, init):
        tt.prune(model, "lt", 0.5, init_weights=(array.tolist() for array in init))
        assert_same(nets.values(model), init)

    def test_it_is_not_kept(self, model, init):
        tt.prune(model, "lt", 0.5, init_weights=init)
        init[0][:] = 7
        assert not np.any(nets.values(model)[0] == 7)


class TestOptions:
    def test_are_named_in_the_signature_with_their_defaults(self):
        parameters = inspect.signature(tt.prune).parameters
        fields = {field.name: field.default for field in dataclasses.fields(tt.pruning.Quota)}
        own = {"ratios": None}
        for name in OPTIONS:
            assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
            assert parameters[name].default == {**fields, **own}[name]

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["lr_rewinding", "hybrid", "random"])
    def test_of_the_methods_own_may_be_written_out(self, model, name):
        written = tt.prune(model, name, 0.5, ratios=None, classifier_keep="method")
        default = tt.prune(model, name, 0.5)
        assert_same(written.masks, default.masks)
        assert written.origin == default.origin

    def test_ratios_family_and_the_share_of_the_classifier(self, model):
        ticket = tt.prune(model, "hybrid", 0.5, family="vgg", classifier_keep=0.6)
        counts = tt.keep_counts(model, 0.5, family="vgg", classifier_keep=0.6)
        assert [layer.kept for layer in ticket.layers] == counts
        assert (ticket.origin["family"], ticket.origin["classifier_keep"]) == ("vgg", 0.6)
        ticket = tt.prune(model, "random", 0.5, ratios="uniform")
        assert [layer.kept for layer in ticket.layers] == tt.keep_counts(model, 0.5, "uniform")

    @pytest.mark.slow
    def test_the_classifier_may_be_ranked_with_the_rest(self, model):
        apart = tt.prune(model, "lr_rewinding", 0.5)
        ranked = tt.prune(model, "lr_rewinding", 0.5, classifier_keep="ranked")
        assert apart.layers[-1].kept == 15 > ranked.layers[-1].kept
        assert_same(ranked.masks, tt.prune(model, method(), 0.5).masks)

    @pytest.mark.slow
    def test_none_says_of_the_classifier_what_the_method_has(self, model):
        expected = tt.prune(model, "lr_rewinding", 0.5)
        for said in (None, "method"):
            assert_same(tt.prune(model, "lr_rewinding", 0.5, classifier_keep=said).masks, expected.masks)

    def test_a_method_of_ones_own_with_a_score_of_ones_own(self, model):
        def sized(model, batches, rng, power=1):
            return [np.full(kernel.shape, float(kernel.size**power)) for kernel in nets.kernels(model)]

        ticket = tt.prune(model, method(score=sized), 88 / 103)
        assert [layer.kept for layer in ticket.layers] == [15, 0, 0]
        ticket = tt.prune(model, method(score=sized), 88 / 103, power=-1)
        assert [layer.kept for layer in ticket.layers] == [0, 0, 15]
        assert ticket.origin["method"] == "custom" and ticket.origin["score"] == "sized"


class TestWhatIsRefused:
    """Before work starts, and the model is what it was, masked or not."""

    @pytest.mark.slow
    @pytest.mark.parametrize("case", sorted(REFUSED))
    def test_with_one_clear_error(self, unchanged, case):
        model, (changes, message) = unchanged, REFUSED[case]
        before = nets.state(model)
        with pytest.raises(ValueError, match=message):
            tt.prune(model, **{"method": "hybrid", "sparsity": 0.5, **changes})
        assert_same(nets.state(model), before)

    def test_weights_taken_after_masking(self, model):
        tt.prune(model, "random", 0.5)
        with pytest.raises(ValueError, match=r"has 9 arrays that do not fit the model's 6 .*before masking"):
            tt.prune(model, "lt", 0.5, init_weights=model.get_weights())

    def test_a_missing_file(self, model, tmp_path):
        before = nets.state(model)
        with pytest.raises(FileNotFoundError, match=r"No weights file at .*nowhere.weights.h5"):
            tt.prune(model, "lt", 0.5, init_weights=tmp_path / "nowhere.weights.h5")
        assert_same(nets.state(model), before)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("content", "masked"),
        [
            ("other shapes", False),
            ("other layers", True),
            ("truncated", False),
            ("truncated", True),
            ("text", True),
        ],
    )
    def test_a_file_that_does_not_fit(self, model, tmp_path, content, masked):
        path = tmp_path / "init.weights.h5"
        sizes = {"other shapes": (6, 8, 5, 4), "other layers": (6, 8, 3)}.get(content, (6, 8, 5, 3))
        nets.functional(sizes).save_weights(path)
        if content == "truncated":
            path.write_bytes(path.read_bytes()[:-4000])
        elif content == "text":
            path.write_text("weights")
        compiled(model)
        if masked:
            tt.prune(model, "random", 0.5)
        before = nets.state(model)
        with pytest.raises(ValueError, match=r"init.weights.h5 does not hold weights of this model: "):
            tt.prune(model, "lt", 0.5, init_weights=path)
        assert_same(nets.state(model), before)

    @pytest.mark.parametrize("what", ["resnet32", None, 3])
    def test_what_is_no_model(self, what):
        with pytest.raises(TypeError, match=r"Pruning takes a keras.Model. Received: "):
            tt.prune(what, "random", 0.5)

    def test_models_that_are_not_built(self):
        with pytest.raises(ValueError, match="not built"):
            tt.prune(Subclassed(), "random", 0.5)

    def test_models_with_nothing_to_prune(self):
        inputs = keras.Input((4,))
        bare = keras.Model(inputs, keras.layers.LayerNormalization()(inputs), name="bare")
        with pytest.raises(ValueError, match="Model 'bare' has nothing to prune"):
            tt.prune(bare, "random", 0.5)

    def test_errors_of_a_score_pass_through(self, model):
        def broken(model, batches, rng):
            raise ZeroDivisionError("mine")

        at_init = method(score=broken, scored_at="init", start_from="init")
        before = nets.state(model)
        with pytest.raises(ZeroDivisionError, match="mine"):
            tt.prune(model, at_init, 0.5, init_weights=nets.functional(seed=40).get_weights())
        assert_same(nets.state(model), before)
