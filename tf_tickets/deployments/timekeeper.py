"""A program that loads an export and computes one batch with it, as often as it is told, and times itself.

Arguments: the file of runtimes, the name of one in it, the export, and a folder with `inputs.npz` and
`names.json`, where it writes `outputs.npz`. Each line that it reads is a number of batches, each that it
writes JSON: the milliseconds that one took. It is given to a process by itself and imports nothing of ours.
"""

import json
import os
import runpy
import sys
import time

THREADS = 1


def main(runtimes: str, name: str, path: str, scratch: str) -> None:
    """Loads, computes once, and goes on for as long as it is asked."""
    # What runtimes print goes where their errors go; answers alone are read.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import numpy as np

    with open(os.path.join(scratch, "names.json"), encoding="utf-8") as file:
        names = json.load(file)
    with np.load(os.path.join(scratch, "inputs.npz"), allow_pickle=False) as arrays:
        inputs = {name: arrays[f"arr_{i}"] for i, name in enumerate(names)}
    run = runpy.run_path(runtimes)[name](path, THREADS)
    np.savez(os.path.join(scratch, "outputs.npz"), *run(inputs))
    answers.write("{}\n")
    for line in sys.stdin:
        count = int(line)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            run(inputs)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        answers.write(json.dumps({"cpu": 1e3 * cpu / count, "wall": 1e3 * wall / count}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
