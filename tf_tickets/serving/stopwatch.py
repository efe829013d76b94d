"""What functions of SavedModels take on this machine: milliseconds of one thread, in their own process."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from tf_tickets.support.startup import ALONE

# Runs alone, without tf_tickets: what it loads are plain SavedModels. They take turns, so that whatever slows
# the machine down slows all alike, and what the processor was busy for is counted, not what others were.
_PROGRAM = """
import gc, json, os, time
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
import numpy as np
gc.disable()  # imports make no garbage, and looking for it takes a fifth of their time
import tensorflow as tf
gc.enable()
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
paths, batch, seconds, most, answers = json.loads(sys.argv[1])
rng = np.random.default_rng(0)
loaded, functions, tensors = [], [], {}
for path in paths:
    loaded.append(tf.saved_model.load(path))
    signatures = dict(loaded[-1].signatures)
    if len(signatures) > 1:
        signatures.pop("serving_default", None)
    for name, function in sorted(signatures.items()):
        inputs = {}
        for key, spec in function.structured_input_signature[1].items():
            shape = [size or (32 if axis else batch) for axis, size in enumerate(spec.shape)]
            kind = (*shape, spec.dtype)
            if kind not in tensors:
                values = rng.normal(size=shape) if spec.dtype.is_floating else rng.integers(0, 2, shape)
                tensors[kind] = tf.constant(values.astype(spec.dtype.as_numpy_dtype))
            inputs[key] = tensors[kind]
        functions.append((path, name, function, inputs, []))
began = time.perf_counter()
for turn in range(-1, most):  # the first one is not counted
    if turn >= 3 and time.perf_counter() - began > seconds:
        break
    for _, _, function, inputs, times in functions:
        start = time.process_time()
        function(**inputs)
        if turn >= 0:
            times.append(1e3 * (time.process_time() - start))
with open(answers, "w") as file:
    json.dump([[path, name, times] for path, name, _, _, times in functions], file)
"""

MOST_TURNS = 101
# Seconds after which it is given up, loading included: of a model that is too large for this.
PATIENCE = 600


def milliseconds(
    paths: Sequence[str | os.PathLike], batch: int, seconds: float
) -> dict[tuple[str, str], list[float]]:
    """Takes turns with all functions of some SavedModels.

    Args:
        paths: of the SavedModels.
        batch: examples in an input whose batch size is open.
        seconds: that measuring may take, loading apart; three turns are taken in any case.

    Returns:
        (path, name of the signature) -> milliseconds of processor time of each turn.

    Raises:
        RuntimeError: something does not load or run, and then the message holds the end of the output; or it
            takes too long.
    """
    names = [str(pathlib.Path(path).resolve()) for path in paths]
    with tempfile.TemporaryDirectory() as scratch:
        answers = os.path.join(scratch, "answers.json")
        task = json.dumps([names, batch, seconds, MOST_TURNS, answers])
        try:
            done = subprocess.run(
                [sys.executable, "-c", ALONE + _PROGRAM, task],
                cwd=scratch,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"Three turns of each took more than {PATIENCE} seconds.") from error
        if done.returncode:
            raise RuntimeError(f"It ended with {done.returncode}: {done.stderr[-2000:]}")
        found = json.loads(pathlib.Path(answers).read_text())
    given = dict(zip(names, map(str, paths), strict=True))
    return {(given[path], name): times for path, name, times in found}
