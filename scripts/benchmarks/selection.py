"""Seconds and memory of choosing the largest of many scores over all layers; runs in a process of its own."""

import json
import os
import statistics
import sys
import time
import tracemalloc

import numpy as np

LAYERS = 10
SPARSITY = 0.9

# What a layer's scores are, and what else is asked for.
CASES: dict[str, tuple[str, dict]] = {
    "distinct": ("random", {}),
    "tied": ("zeros", {}),
    "min_keep": ("random", {"least": [1] * LAYERS}),
}


def measure(case: str, count: int, turns: int) -> dict[str, float]:
    """Seconds of each turn's median and fastest, and the peak memory over that of the scores themselves.

    Args:
        case: one of `CASES`.
        count: scores in all, float32, in `LAYERS` layers of one size.
        turns: calls to time. Memory is measured in one more.
    """
    from tf_tickets.pruning.top_k import global_masks

    kind, options = CASES[case]
    rng = np.random.default_rng(0)
    make = {"random": lambda n: rng.random(n, np.float32), "zeros": lambda n: np.zeros(n, np.float32)}[kind]
    scores = [make(count // LAYERS) for _ in range(LAYERS)]
    held = sum(score.nbytes for score in scores)
    keep = round(sum(score.size for score in scores) * (1 - SPARSITY))
    seconds = []
    for _ in range(turns):
        began = time.perf_counter()
        global_masks(scores, keep, **options)
        seconds.append(time.perf_counter() - began)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    masks = global_masks(scores, keep, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    if sum(int(mask.sum()) for mask in masks) != keep:
        raise RuntimeError(f"{case}: the masks do not keep {keep:,} weights.")
    return {
        "seconds": statistics.median(seconds),
        "fastest_s": min(seconds),
        "scores_mib": held / 2**20,
        "memory": (held + peak - before) / held,
    }


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")  # libraries may print to 1 as they like
    os.dup2(2, 1)
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))), file=answers, flush=True)
