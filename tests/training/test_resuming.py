"""A training that is stopped anywhere and started again: the same bits as one that was left alone."""

import functools
import json
import os
import signal
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.replicas import two_replicas
from tests.training.test_trainer import batches, steps
from tf_tickets.training import SGD, Checkpoints, Interrupted, Trainer, TrainingDiverged

COUNT, EPOCHS, SIZE = 16, 2, 6  # 3 steps an epoch, the last one short

# What is saved, and when, does not ask who computes the steps: only the first test has them compiled.
eagerly = pytest.mark.usefixtures("untraced")


class Stop(Exception):
    """As good as a kill: nothing is saved on the way out."""


class StopAfter(keras.callbacks.Callback):
    def __init__(self, calls):
        super().__init__()
        self.left = calls

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise Stop


def network():
    """With everything that has a state of its own: statistics, seeds, masks."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=3),
            keras.layers.Dense(3),
        ]
    )


OPTIMIZERS = {
    "momentum": lambda: SGD(0.2, momentum=0.9, weight_decay=1e-3),
    "averaging, accumulating, scaling": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.AdamW(0.05, use_ema=True, ema_momentum=0.5, gradient_accumulation_steps=3),
        initial_scale=8.0,
    ),
}


class Training:
    """The same training again and again, in a folder, under a strategy."""

    def __init__(self, folder, optimizer="momentum", strategy=None):
        self.folder, self.optimizer, self.strategy = folder, optimizer, strategy

    def run(self, *extra, minutes=0.0, callbacks=(), warn=None):
        """Trains from the start, or from where the folder says; the history and everything's bits."""
        scope = self.strategy.scope() if self.strategy else keras.name_scope("alone")
        with scope:
            model, optimizer = network(), OPTIMIZERS[self.optimizer]()
        tt.prune(model, "random", sparsity=0.5)
        trainer = Trainer(model, optimizer, self.strategy, steps_per_call=1)
        x, y = nets.inputs_of(model, count=COUNT)
        test = batches(x, y, COUNT)([0])
        schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.2 / (1 + epoch))
        history = trainer.fit(
            batches(x, y, SIZE),
            range(EPOCHS),
            steps(x, SIZE),
            callbacks=[schedule, *callbacks, *extra],
            evaluate=lambda: {f"test_{k}": v for k, v in trainer.evaluate(test, 1).items()},
            checkpoints=Checkpoints(self.folder, {}, minutes, warn),
        )
        variables = [*model.variables, *trainer.optimizer.variables]
        parts = [trainer.strategy.experimental_local_results(variable.value) for variable in variables]
        return history, [np.asarray(part) for own in parts for part in own]


def assert_same_bits(found, expected):
    assert found[0] == expected[0]
    for value, own in zip(found[1], expected[1], strict=True):
        assert value.tobytes() == own.tobytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a training comes to that nobody stops, compiled or eagerly as the test is."""

    @functools.cache
    def run(eagerly, *arguments):
        return Training(tmp_path_factory.mktemp("whole") / "here", *arguments).run()

    return lambda *arguments: run(tf.config.functions_run_eagerly(), *arguments)


def stopped(training, *calls, **arguments):
    """Stops it again and again, each time after so many more steps."""
    for count in calls:
        with pytest.raises(Stop):
            training.run(StopAfter(count), **arguments)
    return training


@pytest.mark.slow
def test_it_goes_on_to_the_same_bits(undisturbed, tmp_path):
    """Stopped within the second epoch."""
    assert_same_bits(stopped(Training(tmp_path), 5).run(), undisturbed())


@pytest.mark.slow
@eagerly
def test_as_often_as_it_is_stopped_and_callbacks_are_told_what_was_done_before(undisturbed, tmp_path):
    """Within the first epoch, at its end, within the second."""

    class Listener(keras.callbacks.Callback):
        told = None

        def on_train_begin(self, logs=None):
            assert self.told is None

        def on_resume(self, history):
            self.told = [row["epoch"] for row in history]

    cut, listener = Training(tmp_path), Listener()
    with pytest.raises(Stop):
        cut.run(StopAfter(2), listener)
    assert listener.told is None
    assert_same_bits(stopped(cut, 3, 2).run(listener), undisturbed())
    assert listener.told == [0]


@pytest.mark.slow
@eagerly
def test_with_all_that_an_optimizer_keeps(undisturbed, tmp_path):
    """Stopped within the second epoch."""
    _, optimizer = OPTIMIZERS
    cut = stopped(Training(tmp_path, optimizer), 5)
    assert_same_bits(cut.run(), undisturbed(optimizer))


@pytest.mark.slow
@eagerly
def test_so_do_two_replicas_each_with_statistics_of_its_own(undisturbed, tmp_path):
    arguments = ("momentum", two_replicas())
    cut = stopped(Training(tmp_path, *arguments), 5)
    assert_same_bits(cut.run(), undisturbed(*arguments))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def rewritten(path, change, new):
    """A checkpoint whose content is changed, in another file that is whole."""
    with np.load(path) as archive:
        parts = dict(archive)
    facts = json.loads(parts["facts"].tobytes())
    change(facts, parts)
    parts["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez(new, **parts)


def infinite_weights(facts, parts):
    for i, (dtype, shape) in enumerate(facts["variables"]):
        if (dtype, shape) == ("float32", [6, 8]):
            parts[f"{i:06d}"] = np.full(6 * 8, np.inf, np.float32).view(np.uint8)


LIES = {
    "no history": lambda facts, _: facts.update(history=None),
    "text for a history": lambda facts, _: facts.update(history="abc"),
    "rows of nothing": lambda facts, _: facts.update(history=[{}]),
    "other epochs": lambda facts, _: facts["history"][0].update(epoch=5),
    "too many epochs": lambda facts, _: facts.update(history=facts["history"] * 9),
    "a step too far": lambda facts, _: facts.update(step=4),
    "a step before the first": lambda facts, _: facts.update(step=-1),
    "no finite weights": infinite_weights,
}


@pytest.mark.slow
@eagerly
def test_checkpoints_that_are_damaged_or_cannot_be_true_are_passed_over(undisturbed, tmp_path):
    """Each lies beyond the one that it is made of, which is what training goes on from.

    Without minutes to wait there is one after every step, and that before it.
    """
    cut, said = stopped(Training(tmp_path), 5), []
    assert names(tmp_path) == ["epoch_000001_step_00000000.npz", "epoch_000001_step_00000001.npz"]
    last = max(tmp_path.iterdir())
    passed = [tmp_path / f"epoch_{9 + i:06d}_step_00000001.npz" for i in range(len(LIES) + 1)]
    passed[0].write_bytes(last.read_bytes()[:-100])
    for path, change in zip(passed[1:], LIES.values(), strict=True):
        rewritten(last, change, path)
    assert_same_bits(cut.run(warn=said.append), undisturbed())
    assert len(said) == len(passed), said
    assert all(str(path) in words for path, words in zip(reversed(passed), said, strict=True))


@pytest.fixture
def listening():
    """Ctrl-C as Python has it: where pytest runs in the background, it is ignored, and stays so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@eagerly
def test_ctrl_c_and_a_polite_kill_save_first(listening, undisturbed, tmp_path):
    """And else there is a checkpoint after each epoch, where there are minutes to wait."""

    class Signal(keras.callbacks.Callback):
        def __init__(self, number, step):
            super().__init__()
            self.number, self.step = number, step

        def on_train_batch_begin(self, batch, logs=None):
            if self.model.optimizer.iterations == self.step:
                os.kill(os.getpid(), self.number)

    handlers = [signal.getsignal(x) for x in (signal.SIGINT, signal.SIGTERM)]
    cut = Training(tmp_path)
    for number, step, epoch in ((signal.SIGTERM, 1, 0), (signal.SIGINT, 4, 1)):
        words = rf"epoch {epoch}, after step 2 of 3, which is saved"
        with pytest.raises(Interrupted, match=words) as raised:
            cut.run(Signal(number, step), minutes=60.0)
        assert isinstance(raised.value, KeyboardInterrupt) and raised.value.signal == number
        assert [signal.getsignal(x) for x in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert names(tmp_path) == ["epoch_000001_step_00000000.npz", "epoch_000001_step_00000002.npz"]
    assert_same_bits(cut.run(), undisturbed())


@pytest.mark.slow
@eagerly
def test_ctrl_c_after_the_last_step_is_not_lost_and_what_is_finished_is_not_trained_again(
    listening, undisturbed, tmp_path
):
    class Signal(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == EPOCHS - 1:
                signal.raise_signal(signal.SIGINT)

    cut = Training(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        cut.run(Signal())
    assert_same_bits(cut.run(StopAfter(1)), undisturbed())


@pytest.mark.slow
@eagerly
def test_a_second_ctrl_c_is_obeyed_at_once(listening, tmp_path):
    class Impatient(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as raised:
        Training(tmp_path).run(Impatient())
    assert not isinstance(raised.value, Interrupted)


@pytest.mark.slow
@eagerly
def test_signals_that_are_ignored_stay_so(tmp_path):
    class Signal(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        history, _ = Training(tmp_path).run(Signal())
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(history) == EPOCHS


@pytest.mark.slow
@eagerly
def test_threads_other_than_the_main_one_train_too(undisturbed, tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(Training(tmp_path).run()))
    thread.start()
    thread.join()
    assert_same_bits(found[0], undisturbed())


@pytest.mark.slow
@eagerly
def test_divergence_leaves_the_last_good_state(undisturbed, tmp_path):
    class Poison(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if self.model.optimizer.iterations == 5:
                self.model.layers[0].kernel.assign(self.model.layers[0].kernel * np.nan)

    cut = Training(tmp_path / "cut")
    with pytest.raises(TrainingDiverged):
        cut.run(Poison())
    newest = max((tmp_path / "cut").iterdir())
    assert newest.name == "epoch_000001_step_00000002.npz"
    assert_same_bits(cut.run(), undisturbed())
