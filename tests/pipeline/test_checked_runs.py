"""Sanity checks through the pipeline: each run changes what its check claims, and nothing else.

Each arm is run once, on a small perceptron; what its trainings, scores and measurements were given is noted.
After the beginning of the retraining nothing is the check's own: few arms are run further.
"""

import contextlib
import dataclasses
import io
import itertools
import json

import numpy as np
import pytest
import rich.console

import tf_tickets as tt
from tests.runs import SHORT, TINY, configure, eagerly
from tf_tickets import Ticket, data, layers, pipeline, pruning, training
from tf_tickets.sanity import CHECKS
from tf_tickets.support.console import Console

DATA = [name for name, row in CHECKS.items() if row.claim == "data"]
# A method that learns of the data by training, and one that does by its score; each function that changes
# data, masks or weights once: what these come to is told in tests/sanity. What is done to a ticket does not
# depend on where it is from.
TRAINED_ON = ("corrupted", "half_dataset", "half_dataset_in_order")
ARMS = [
    *(("lt", check) for check in TRAINED_ON),
    *(("snip", check) for check in ("corrupted", "corrupted_ratios", "rearrange", "rearrange_per_input")),
    *(("snip", check) for check in ("shuffle_weights", "reinitialize", "rearrange+reinitialize", "invert")),
    ("lt", "rearrange"),
]
# Those that are run to the end: one of the dense network of other data, and one of the clean one.
WHOLE = [("lt", None), ("lt", "corrupted"), ("lt", "rearrange")]
EPOCHS, BATCH, TRAINING_SET = 2, 700, 1437
STEPS = -(-TRAINING_SET // BATCH)

# One of each place: what a check does to the data, to the masks, to the weights.
QUICK = ("corrupted", "rearrange", "reinitialize")


def arms_of(*checks):
    """The arms of some checks, as parameters of a test. Each is a run, and slow where it is not of QUICK."""
    arms = [pytest.param(*arm, marks=slow_or_not(*arm)) for arm in ARMS if arm[1] in checks]
    return pytest.mark.parametrize(("method", "check"), arms)


def slow_or_not(method, check):
    return () if method == "snip" and check in QUICK else (pytest.mark.slow,)


every_arm = arms_of(*CHECKS)
every_whole_arm = pytest.mark.parametrize(("method", "check"), [arm for arm in WHOLE if arm[1]])


@dataclasses.dataclass
class Training:
    """What one training was given: weights and masks to start from, and each epoch's examples in order."""

    weights: list[np.ndarray]
    masks: list[np.ndarray]
    epochs: list[int]
    x: list[np.ndarray]
    y: list[np.ndarray]
    steps: int


@dataclasses.dataclass
class Arm:
    """A finished run, and what was seen of it."""

    result: dict
    directory: object
    screen: str = ""
    trainings: list[Training] = dataclasses.field(default_factory=list)
    scored: list = dataclasses.field(default_factory=list)
    measured: list = dataclasses.field(default_factory=list)

    @property
    def ticket(self):
        return Ticket.load(self.directory / "ticket.npz")

    @property
    def retraining(self):
        return self.trainings[-1]

    @property
    def counts(self):
        return [layer.kept for layer in self.ticket.layers]


class Enough(Exception):
    """All has been seen that is of interest."""


class Laboratory:
    """Runs each arm once, all beside each other, so that they share dense trainings."""

    def __init__(self, folder):
        self.folder, self.arms, self.now = folder, {}, Arm({}, None)
        self.numbers = itertools.count()

    def arm(self, method, check=None, *flags, rounds=1):
        key = (method, check, *flags, rounds)
        if key not in self.arms:
            if check is not None:
                # First, so that it is the one to train the dense network.
                self.arm(method, None, *flags, rounds=rounds)
            given = [f"--method={method}", "--sparsity=0.8", f"--rounds={rounds}", *flags]
            given += [f"--sanity_check={check}"] * (check is not None)
            self.arms[key] = self.run(*given, last=None if (method, check) in WHOLE else rounds)
        return self.arms[key]

    def run(self, *flags, last):
        """A run of the flags, to the end or to the beginning of so many trainings of a ticket."""
        directory = self.folder / f"run{next(self.numbers)}"
        given = (f"--run_dir={directory}", *TINY, *SHORT, f"--batch_size={BATCH}", *flags)
        screen = io.StringIO()
        show = Console(rich.console.Console(file=screen, width=120))
        self.now, self.left = Arm({}, directory), last
        with eagerly(), contextlib.nullcontext() if last is None else pytest.raises(Enough):
            self.now.result = pipeline.run(*configure(*given), training.make_strategy("none"), show)
        self.now.screen = screen.getvalue()
        return self.now


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The laboratory, its eyes on what the pipeline gives to its parts."""
    lab = Laboratory(tmp_path_factory.mktemp("lab"))
    draw_ticket = pruning.draw_ticket

    class WatchedTrainer(training.Trainer):
        def fit(self, batches, epochs, steps_per_epoch, **rest):
            seen = list(batches(epochs, 0).as_numpy_iterator())
            parts = [seen[i : i + steps_per_epoch] for i in range(0, len(seen), steps_per_epoch)]
            lab.now.trainings.append(
                Training(
                    weights=layers.stock_values(self.model),
                    masks=[entry.mask.numpy() for entry in tt.masked_weights(self.model)],
                    epochs=list(epochs),
                    x=[np.concatenate([x for x, _ in part]) for part in parts],
                    y=[np.concatenate([y for _, y in part]) for part in parts],
                    steps=steps_per_epoch,
                )
            )
            if lab.left and lab.now.trainings[-1].masks:
                lab.left -= 1
                if not lab.left:
                    raise Enough
            return super().fit(batches, epochs, steps_per_epoch, **rest)

        def evaluate(self, batches, steps):
            if all(batches is not known for known, _ in lab.now.measured):
                parts = zip(*batches.as_numpy_iterator(), strict=True)
                lab.now.measured.append((batches, [np.concatenate(part) for part in parts]))
            return super().evaluate(batches, steps)

    def watched_draw(*arguments, data, **rest):
        lab.now.scored.append(data)
        return draw_ticket(*arguments, data=data, **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "Trainer", WatchedTrainer)
        patch.setattr(pruning, "draw_ticket", watched_draw)
        yield lab


def same(one, other):
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def prunable(training):
    """The kernels of the perceptron that a training started from, without biases."""
    return [weight for weight in training.weights if weight.ndim == 2]


def biases(training):
    return [weight for weight in training.weights if weight.ndim == 1]


def examples(x, y):
    """(image, label) of each example, to be looked up."""
    rows = np.asarray(x, np.float32).reshape(len(x), -1)
    return [(row.tobytes(), int(label)) for row, label in zip(rows, y, strict=True)]


class TestEveryCheck:
    @pytest.mark.slow
    @every_arm
    def test_names_itself_to_the_person_and_in_the_ticket(self, lab, method, check):
        arm, plain = lab.arm(method, check), lab.arm(method)
        assert arm.ticket.kept == plain.ticket.kept
        assert arm.ticket.origin["sanity_check"] == check and "sanity_check" not in plain.ticket.origin
        assert "sanity check" not in plain.screen
        seen = " ".join(arm.screen.split())
        assert f"sanity check {check}: {CHECKS[check].about.split(' (')[0]}" in seen

    @pytest.mark.slow
    @every_whole_arm
    def test_runs_from_data_to_a_result_that_names_it(self, lab, method, check):
        arm, plain = lab.arm(method, check), lab.arm(method)
        assert arm.result["sanity_check"] == arm.result["config"]["sanity_check"] == check
        assert plain.result["sanity_check"] is None
        assert json.loads((arm.directory / "result.json").read_text()) == arm.result
        assert arm.result["kept"] == plain.result["kept"] == arm.result["nonzero"]
        assert arm.result["kept"] == arm.ticket.kept

    @pytest.mark.slow
    @every_arm
    def test_is_retrained_on_clean_data_in_the_tickets_order(self, lab, method, check):
        attacked, plain = lab.arm(method, check).retraining, lab.arm(method).retraining
        assert attacked.epochs == plain.epochs == list(range(EPOCHS))
        assert same(attacked.x, plain.x) and same(attacked.y, plain.y)
        clean = set(examples(*data.load("digits").train))
        for x, y in zip(attacked.x, attacked.y, strict=True):
            assert len(y) == TRAINING_SET and set(examples(x, y)) == clean

    @pytest.mark.slow
    @every_arm
    def test_starts_from_the_tickets_weights_unless_these_are_what_it_changes(self, lab, method, check):
        attacked, plain = lab.arm(method, check).retraining, lab.arm(method).retraining
        assert same(attacked.weights, plain.weights) == (CHECKS[check].weights is None)

    @pytest.mark.slow
    @every_arm
    def test_leaves_the_masks_alone_unless_these_are_what_it_changes(self, lab, method, check):
        arm, plain = lab.arm(method, check), lab.arm(method)
        assert same(arm.ticket.masks, arm.retraining.masks)
        row = CHECKS[check]
        changed = row.place != "ticket" or row.masks is not None or row.channel_masks is not None
        assert same(arm.ticket.masks, plain.ticket.masks) != changed

    @pytest.mark.slow
    @every_whole_arm
    def test_is_measured_on_clean_test_data(self, lab, method, check):
        arm = lab.arm(method, check)
        x, y = data.load("digits").test
        assert len(arm.measured) >= len(arm.trainings) + 1, "while training, and in the end"
        for _, (seen_x, seen_y) in arm.measured:
            np.testing.assert_array_equal(seen_x, x)
            np.testing.assert_array_equal(seen_y, y)


class TestChecksOfTheData:
    """What the dense training sees, and what a score sees. The clean dense training is lt's."""

    def dense(self, lab, check=None):
        pretraining, _ = lab.arm("lt", check).trainings
        return pretraining

    @pytest.mark.slow
    def test_without_a_check_the_dense_training_sees_what_the_retraining_sees(self, lab):
        pretraining, retraining = lab.arm("lt").trainings
        assert same(pretraining.x, retraining.x) and same(pretraining.y, retraining.y)

    @pytest.mark.slow
    @pytest.mark.parametrize("check", TRAINED_ON)
    def test_the_dense_training_starts_from_the_same_weights(self, lab, check):
        assert same(self.dense(lab, check).weights, self.dense(lab).weights)

    @pytest.mark.slow
    @pytest.mark.parametrize("check", ["corrupted", "half_dataset"])
    def test_the_dense_training_takes_as_many_steps(self, lab, check):
        assert self.dense(lab, check).steps == self.dense(lab).steps == STEPS
        assert [len(y) for y in self.dense(lab, check).y] == [TRAINING_SET] * EPOCHS

    @pytest.mark.slow
    def test_the_dense_training_sees_the_corrupted_data_in_the_same_order(self, lab):
        clean, checked = self.dense(lab), self.dense(lab, "corrupted")
        changed = CHECKS["corrupted"].data(data.load("digits"), 0, BATCH).train
        twin = dict(zip(examples(*data.load("digits").train), examples(*changed), strict=True))
        for number in range(EPOCHS):
            seen = [examples(each.x[number], each.y[number]) for each in (clean, checked)]
            assert [twin[example] for example in seen[0]] == seen[1]

    @pytest.mark.slow
    def test_half_of_the_data_are_seen_twice(self, lab):
        checked = self.dense(lab, "half_dataset")
        found = [set(examples(x, y)) for x, y in zip(checked.x, checked.y, strict=True)]
        assert found[0] == found[1] < set(examples(*data.load("digits").train))
        assert len(found[0]) == TRAINING_SET // 2
        assert not np.array_equal(checked.y[0], checked.y[1]), "shuffled anew in each epoch"

    @pytest.mark.slow
    def test_the_first_half_is_seen_in_its_order_in_half_the_steps(self, lab):
        checked = self.dense(lab, "half_dataset_in_order")
        assert checked.steps == STEPS // 2 == 1
        x, y = data.load("digits").train
        for epoch in range(EPOCHS):
            np.testing.assert_array_equal(checked.x[epoch], x[:BATCH])
            np.testing.assert_array_equal(checked.y[epoch], y[:BATCH])

    @pytest.mark.slow
    def test_a_score_sees_them(self, lab):
        clean = data.load("digits")
        changed = set(examples(*CHECKS["corrupted"].data(clean, 0, BATCH).train))
        (plain,) = lab.arm("snip").scored
        (batches,) = lab.arm("snip", "corrupted").scored
        assert set(examples(*plain[0])) <= set(examples(*clean.train))
        assert set(examples(*batches[0])) <= changed
        assert np.bincount(batches[0][1]).tolist() == [10] * 10, "as many of each class, by its label"

    @pytest.mark.parametrize("check", QUICK[1:])
    def test_other_checks_leave_them_alone(self, lab, check):
        (batches,), (plain,) = lab.arm("snip", check).scored, lab.arm("snip").scored
        assert same(batches[0], plain[0])

    @pytest.mark.slow
    def test_rounds_before_the_last_see_them_too(self, lab):
        """In the steps that these take."""
        plain = lab.arm("lt", None, rounds=2)
        arm = lab.arm("lt", "half_dataset_in_order", rounds=2)
        dense = self.dense(lab, "half_dataset_in_order")
        first, last = arm.trainings[-2:]
        assert same(first.x, dense.x) and same(first.y, dense.y)
        assert same(last.x, plain.retraining.x) and same(last.y, plain.retraining.y)
        assert (first.steps, last.steps) == (STEPS // 2, STEPS)
        assert "round 1 of 2" in arm.screen


class TestChecksOfTheTicket:
    @arms_of("rearrange", "rearrange+reinitialize")
    def test_rearranging_keeps_as_many_weights_of_each_layer_but_others(self, lab, method, check):
        arm, plain = lab.arm(method, check), lab.arm(method)
        assert arm.counts == plain.counts == [int(mask.sum()) for mask in arm.ticket.masks]
        for mask, before in zip(arm.ticket.masks, plain.ticket.masks, strict=True):
            assert before.all() or not np.array_equal(mask, before)

    @pytest.mark.slow
    def test_effective_sparsity_is_that_of_the_attacked_ticket(self, lab):
        arm = lab.arm("lt", "rearrange")
        counted = pruning.path_counts(tt.models.build("mlp_24_16", (8, 8, 1), 10), arm.ticket.masks)
        assert [layer["on_path"] for layer in arm.result["layers"]] == list(counted)

    @arms_of("rearrange_per_input")
    def test_rearranging_per_channel_keeps_the_counts_that_it_names(self, lab, method, check):
        arm, plain = lab.arm(method, check), lab.arm(method)
        for mask, before in zip(arm.ticket.masks, plain.ticket.masks, strict=True):
            assert not np.array_equal(mask, before)
            same_counts = [np.array_equal(mask.sum(axis), before.sum(axis)) for axis in (1, 0)]
            assert same_counts == [True, False]

    @arms_of("shuffle_weights")
    def test_shuffling_moves_kept_weights_within_their_layer(self, lab, method, check):
        attacked, plain = lab.arm(method, check).retraining, lab.arm(method).retraining
        assert same(biases(attacked), biases(plain))
        for number, mask in enumerate(plain.masks):
            new, old = prunable(attacked)[number], prunable(plain)[number]
            np.testing.assert_array_equal(new[~mask], old[~mask])
            np.testing.assert_array_equal(np.sort(new[mask]), np.sort(old[mask]))
            assert not np.array_equal(new, old)

    @pytest.mark.slow
    def test_shuffling_comes_after_training_where_the_method_keeps_trained_weights(self, lab):
        attacked, plain = lab.arm("lr_rewinding", "shuffle_weights"), lab.arm("lr_rewinding")
        for new, old, mask in zip(
            prunable(attacked.retraining), prunable(plain.retraining), plain.ticket.masks, strict=True
        ):
            np.testing.assert_array_equal(np.sort(new[mask]), np.sort(old[mask]))
            assert not np.array_equal(new, old)
        assert not same(plain.retraining.weights, lab.arm("lt").retraining.weights), "trained ones"

    @arms_of("reinitialize", "rearrange+reinitialize")
    def test_reinitializing_draws_all_weights_anew_alike(self, lab, method, check):
        attacked, plain = lab.arm(method, check).retraining, lab.arm(method).retraining
        for new, old in zip(prunable(attacked), prunable(plain), strict=True):
            assert not (new == old).any()
            assert np.std(new) == pytest.approx(np.std(old), rel=0.2)
        assert same(biases(attacked), biases(plain)), "zeros, both"

    @pytest.mark.slow
    def test_rearranging_and_reinitializing_are_what_each_is_alone(self, lab):
        both = lab.arm("snip", "rearrange+reinitialize").retraining
        assert same(both.masks, lab.arm("snip", "rearrange").retraining.masks)
        assert same(both.weights, lab.arm("snip", "reinitialize").retraining.weights)

    @pytest.mark.slow
    def test_only_the_last_of_several_rounds_is_attacked(self, lab):
        plain = lab.arm("lt", None, rounds=2)
        arm = lab.arm("lt", "rearrange+reinitialize", rounds=2)
        first, before = (Ticket.load(x.directory / "round_00" / "ticket.npz") for x in (arm, plain))
        assert first.sha256 == before.sha256
        assert arm.counts == plain.counts and arm.ticket.sha256 != plain.ticket.sha256
        (early, late), (plain_early, plain_late) = arm.trainings, plain.trainings[-2:]
        assert same(early.weights, plain_early.weights)
        assert not same(late.weights, plain_late.weights)

    @pytest.mark.slow
    @arms_of("shuffle_weights")
    def test_a_ticket_from_a_file_is_attacked_like_the_run_that_found_it(self, lab, method, check):
        path = lab.arm(method).directory / "ticket.npz"
        again = lab.run(f"--ticket={path}", f"--sanity_check={check}", last=1)
        attacked = lab.arm(method, check)
        assert same(again.retraining.weights, attacked.retraining.weights)
        assert same(again.retraining.masks, attacked.retraining.masks)
        assert same(again.retraining.x, attacked.retraining.x)
        origin = again.ticket.origin
        assert (origin["method"], origin["sanity_check"]) == (method, check)

    @pytest.mark.parametrize("check", ["corrupted", "invert"])
    def test_a_ticket_from_a_file_was_drawn_before(self, lab, check):
        with pytest.raises(ValueError, match=f"was drawn before, and {check} changes the drawing"):
            configure(f"--ticket={lab.arm('snip').directory / 'ticket.npz'}", f"--sanity_check={check}")


class TestInvertedScores:
    @pytest.mark.slow
    def test_keep_as_many_weights_but_others(self, lab):
        arm, plain = lab.arm("snip", "invert"), lab.arm("snip")
        assert arm.ticket.kept == plain.ticket.kept
        assert arm.ticket.sha256 != plain.ticket.sha256

    @pytest.mark.slow
    def test_of_ratios_of_layers_keep_the_worst_of_each_layer(self, lab):
        plain, arm = lab.arm("hybrid"), lab.arm("hybrid", "invert")
        assert [int(mask.sum()) for mask in arm.ticket.masks] == plain.counts
        trained = prunable(plain.retraining)
        for worst, best, weights in zip(arm.ticket.masks, plain.ticket.masks, trained, strict=True):
            overlap = int((worst & best).sum())
            assert overlap == max(0, 2 * int(best.sum()) - best.size), "disjoint where there is room"
            assert np.abs(weights[worst]).max() <= np.abs(weights[~worst]).min()
            assert np.abs(weights[best]).min() >= np.abs(weights[~best]).max()


class TestDenseTraining:
    @pytest.mark.slow
    def test_is_one_for_each_corruption_whatever_the_method(self, lab):
        lab.arm("lt", "corrupted")
        second = lab.arm("lr_rewinding", "corrupted")
        flags = ("--sanity_check=corrupted", f"--run_dir={lab.folder / 'run'}")
        assert len({configure(f"--method={x}", *flags)[0].dense_dir for x in ("lt", "lr_rewinding")}) == 1
        assert len(second.trainings) == 1 and "dense training: done before" in second.screen
        assert not same(second.retraining.weights, lab.arm("lr_rewinding").retraining.weights)

    @pytest.mark.slow
    @pytest.mark.parametrize("check", [check for method, check in ARMS if method == "lt"])
    def test_is_shared_with_the_unchecked_ticket_where_its_data_are(self, lab, check):
        assert len(lab.arm("lt", check).trainings) == (2 if check in DATA else 1)

    @pytest.mark.slow
    @pytest.mark.parametrize("check", [check for _, check in WHOLE if check])
    def test_on_other_data_is_not_called_the_dense_network(self, lab, check):
        result = lab.arm("lt", check).result
        assert ("pretraining_test_accuracy" in result) == (check in DATA)
        assert ("dense_test_accuracy" in result) == (check not in DATA)

    @pytest.mark.parametrize("check", CHECKS)
    def test_on_other_data_is_that_of_checks_of_the_data(self, check):
        found, _ = configure("--method=lt", f"--sanity_check={check}")
        assert found.pretrains_on_other_data == (check in DATA or CHECKS[check].data_under is not None)


def test_arms_differ_in_their_directories_names():
    names = {configure("--method=lt", f"--sanity_check={check}")[0].run_dir for check in CHECKS}
    assert len({*names, configure("--method=lt")[0].run_dir}) == len(CHECKS) + 1
