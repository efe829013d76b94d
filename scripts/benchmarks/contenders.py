"""The training steps and scores that are compared; each runs in its own process and steps when told to.

A step of a score is one score of one batch.
"""

import functools
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

SPARSITY = 0.9
CLASSES = 10
SHAPE = (32, 32, 3)
RECIPE = {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-4}

TEMPERATURE = 200.0

Steps = Callable[[int], None]


def batch(size: int) -> tuple[np.ndarray, np.ndarray]:
    """One batch of noise, the same for all."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(size, *SHAPE)).astype("float32"), rng.integers(CLASSES, size=size).astype("int32")


def endless(size: int) -> Any:
    """One batch again and again, as a dataset.

    Without autotuning: its thread sleeps for longer and longer, and leaving the batches waits for it to wake.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.from_tensors(batch(size)).repeat().with_options(options)


def trainer(model_name: str, size: int, threads: int, stock: bool = False, masked: bool = False) -> Steps:
    """Our trainer: unmasked, masked, or unmasked with Keras's own batch normalisation."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    import tf_tickets as tt

    model = tt.models.build(model_name, SHAPE, CLASSES)
    if stock:
        tt.fold(model)
    if masked:
        tt.prune(model, "random", sparsity=SPARSITY)
    loop = tt.training.Trainer(model, tt.training.SGD(**RECIPE), steps_per_call=10**9)
    data = endless(size)
    return lambda steps: loop.fit(lambda epochs, _: data, range(1), steps_per_epoch=steps) and None


def loop(
    model_name: str, size: int, threads: int, per_call: int | None, real: bool, saves: bool = False
) -> Steps:
    """Our trainer: so many steps a call (None: all), on real batches or on a constant one."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    import tf_tickets as tt
    from tf_tickets.data.dataset import Dataset
    from tf_tickets.data.examples import Examples
    from tf_tickets.data.preprocessing import Preprocessing
    from tf_tickets.data.sources import SOURCES
    from tf_tickets.training.state import State

    model = tt.models.build(model_name, SHAPE, CLASSES)
    tt.prune(model, "random", sparsity=SPARSITY)
    trained = tt.training.Trainer(model, tt.training.SGD(**RECIPE))
    data = endless(size)
    if real:
        rng, count = np.random.default_rng(0), 10_000
        images = rng.integers(256, size=(count, *SHAPE), dtype=np.uint8)
        examples = Examples(images, rng.integers(CLASSES, size=count).astype("int32"))
        cifar = SOURCES["cifar10"]
        fitting = Preprocessing(1 / 255, cifar.mean, cifar.std, crop=cifar.crop, flip=cifar.flip)
        splits = {"train": examples, "test": examples}
        dataset = Dataset("noise", SHAPE, CLASSES, cifar.recipe, fitting, splits)
        data = dataset.batches("train", size, epochs=range(10_000), shuffle=True, augment=True)
    iterator = iter(data)
    state = State(trained.team, model, trained.optimizer, trained.steps.metrics)
    checkpoints = tt.training.Checkpoints(tempfile.mkdtemp(prefix="tf_tickets_bench_"), {})

    def steps(count: int) -> None:
        for _ in range(count // (per_call or count)):
            trained.steps.train(iterator, per_call or count)
            trained.steps.read_metrics()
        if saves:
            checkpoints.save([], 0, state.read())

    return steps


def moving(model_name: str, size: int, threads: int, callback: str, frequency: int, opens: bool) -> Steps:
    """Our trainer's steps as a callback that moves masks has them, one or all of a turn in a call."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    import tf_tickets as tt

    model = tt.models.build(model_name, SHAPE, CLASSES)
    tt.prune(model, "erk", sparsity=SPARSITY)
    trained = tt.training.Trainer(model, tt.training.SGD(**RECIPE))
    target = {} if callback == "RigL" else {"sparsity": SPARSITY}
    mover = getattr(tt.callbacks, callback)(frequency=frequency, begin_step=0, end_step=10**9, **target)
    mover.set_model(model)
    mover.set_params({"epochs": 1, "steps": 10**9})
    mover.on_train_begin()
    mover.on_epoch_begin(0)
    iterator = iter(endless(size))

    def steps(count: int) -> None:
        per_call = 1 if opens or frequency == 1 else count
        for _ in range(count // per_call):
            mover.on_train_batch_begin(0)
            for tap in mover._taps.taps if opens else ():
                tap.open()
            trained.steps.train(iterator, per_call)
            trained.steps.read_metrics()
            mover.on_train_batch_end(0)

    return steps


def keras_fit(model_name: str, size: int, threads: int) -> Steps:
    """The masked model in a plain `model.fit` with the same optimizer."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    import tf_tickets as tt

    model = tt.models.build(model_name, SHAPE, CLASSES)
    tt.prune(model, "random", sparsity=SPARSITY)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tt.training.SGD(**RECIPE), loss, metrics=["accuracy"])
    data = endless(size)
    return lambda steps: model.fit(data, steps_per_epoch=steps, verbose=0) and None


def torch_loop(model_name: str, size: int, threads: int, channels_last: bool = False) -> Steps:
    """A plain PyTorch loop with the reference's semantics: gradients multiplied by (w != 0) at every step."""
    import torch
    from torch_models import MODELS

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = MODELS[model_name](CLASSES)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=layout)
    images, labels = batch(size)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    y = torch.from_numpy(labels).long()
    pruned = [m for m in model.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    with torch.no_grad():
        for module in pruned:
            module.weight.mul_(torch.rand_like(module.weight) < 1 - SPARSITY)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=RECIPE["learning_rate"],
        momentum=RECIPE["momentum"],
        weight_decay=RECIPE["weight_decay"],
    )

    def steps(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            for module in pruned:
                module.weight.grad.mul_(module.weight.abs().gt(0).float())
            optimizer.step()

    return steps


def score(model_name: str, size: int, threads: int, name: str) -> Steps:
    """Our score of a model with masks, as rounds of pruning ask for it: traced once, by the first call."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    import tf_tickets as tt
    from tf_tickets.pruning.score_call import checked_scores
    from tf_tickets.pruning.scoring_examples import read_batches
    from tf_tickets.pruning.trace_cache import keeping_traces

    model = tt.models.build(model_name, SHAPE, CLASSES)
    tt.mask_layers(model)
    batches = read_batches(batch(size))
    options = {"temperature": TEMPERATURE} if name == "grasp" else {}

    def calls() -> Iterator[None]:
        with keeping_traces():
            while True:
                checked_scores(model, name, batches, np.random.default_rng(0), options)
                yield

    call = calls()

    def steps(count: int) -> None:
        for _ in range(count):
            next(call)

    return steps


def torch_score(model_name: str, size: int, threads: int, name: str) -> Steps:
    """The same score in plain PyTorch."""
    import torch
    import torch_scores
    from torch_models import MODELS

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = MODELS[model_name](CLASSES)
    images, labels = batch(size)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    y = torch.from_numpy(labels).long()

    def steps(count: int) -> None:
        for _ in range(count):
            torch_scores.SCORES[name](model, x, y, TEMPERATURE)

    return steps


CONTENDERS: dict[str, Callable[[str, int, int], Steps]] = {
    "stock": functools.partial(trainer, stock=True),
    "unmasked": trainer,
    "masked": functools.partial(trainer, masked=True),
    "fit": keras_fit,
    "constant": functools.partial(loop, per_call=None, real=False),
    "fed": functools.partial(loop, per_call=None, real=True),
    "one_a_call": functools.partial(loop, per_call=1, real=False),
    "saving": functools.partial(loop, per_call=None, real=False, saves=True),
    "tapped": functools.partial(moving, callback="RigL", frequency=10**9 - 1, opens=False),
    "open_tap": functools.partial(moving, callback="RigL", frequency=10**9 - 1, opens=True),
    "rigl_update": functools.partial(moving, callback="RigL", frequency=1, opens=False),
    "granet_update": functools.partial(moving, callback="GraNet", frequency=1, opens=False),
    "gmp_update": functools.partial(moving, callback="GradualMagnitudePruning", frequency=1, opens=False),
    "torch": torch_loop,
    "torch_channels_last": functools.partial(torch_loop, channels_last=True),
    "snip": functools.partial(score, name="snip"),
    "grasp": functools.partial(score, name="grasp"),
    "torch_snip": functools.partial(torch_score, name="snip"),
    "torch_grasp": functools.partial(torch_score, name="grasp"),
    "torch_grasp_one_pass": functools.partial(torch_score, name="grasp_one_pass"),
}


def serve(name: str, model: str, size: int, threads: int) -> None:
    """Warms up, then answers every number on standard input with the seconds of so many steps."""
    answers = os.fdopen(os.dup(1), "w")  # libraries may print to 1 as they like
    os.dup2(2, 1)
    began = time.perf_counter()
    steps = CONTENDERS[name](model, size, threads)
    made = time.perf_counter()
    steps(1)
    first = time.perf_counter()
    steps(2)
    ready = {"first_step_s": first - began, "tracing_step_s": first - made}
    print(json.dumps(ready), file=answers, flush=True)
    for line in sys.stdin:
        began, cpu_began = time.perf_counter(), time.process_time()
        steps(int(line))
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answer = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
