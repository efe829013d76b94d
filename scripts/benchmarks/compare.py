"""Runs methods x sparsities x seeds, `--jobs` at a time, and tabulates mean and spread.

Flags of tf_tickets.run that hold for all runs follow a `--`:

    ./scripts/compare --methods=random,hybrid --sparsities=0.95,0.98 --seeds=3 --runs=runs/compare \
        -- --dataset=idx:fashion-mnist
"""

import concurrent.futures
import itertools
import json
import pathlib
import statistics
import subprocess
import sys

from absl import app, flags

METHODS = flags.DEFINE_list("methods", ["random", "uniform", "lt", "lr_rewinding", "hybrid"], "Methods.")
SPARSITIES = flags.DEFINE_list("sparsities", ["0.95", "0.98"], "Sparsities.")
SEEDS = flags.DEFINE_integer("seeds", 3, "Seeds 0, 1, ...", lower_bound=1)
RUNS = flags.DEFINE_string(
    "runs", None, "Folder for the runs; finished ones are not run again.", required=True
)
JOBS = flags.DEFINE_integer("jobs", 1, "Runs at a time; give each its --threads.", lower_bound=1)
TABLE = flags.DEFINE_string("table", None, "Also write the table to this file.")


def run(name: str, arguments: list[str]) -> dict:
    """The result of one run; a finished one is checked to be of this config, and not run again."""
    directory = pathlib.Path(RUNS.value, name)
    print(name, flush=True)
    command = [sys.executable, "-m", "tf_tickets.run", f"--run_dir={directory}", "--export=", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads((directory / "result.json").read_text())


def cell(results: list[dict], key: str = "test_accuracy") -> str:
    """Mean and standard deviation over seeds, in per cent."""
    values = [100 * result[key] for result in results]
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.2f} ± {spread:.2f}"


def main(argv: list[str]) -> None:
    """Runs and tabulates."""
    common, seeds = argv[1:], range(SEEDS.value)
    cells = [*itertools.product(METHODS.value, SPARSITIES.value)]
    with concurrent.futures.ThreadPoolExecutor(JOBS.value) as pool:

        def start(method: str, sparsity: str | None, seed: int):
            flag = [] if sparsity is None else [f"--sparsity={sparsity}"]
            name = "-".join(part for part in (method, sparsity, str(seed)) if part is not None)
            return pool.submit(run, name, [f"--method={method}", f"--seed={seed}", *flag, *common])

        # The dense trainings first: the others share them.
        dense = [future.result() for future in [start("dense", None, seed) for seed in seeds]]
        futures = {cell: [start(*cell, seed) for seed in seeds] for cell in cells}
        found = {cell: [future.result() for future in started] for cell, started in futures.items()}
    columns = [f"{100 * float(sparsity):g} %" for sparsity in SPARSITIES.value]
    lines = [
        f"| method | {' | '.join(columns)} | multiply-adds kept at {columns[-1]} | effective sparsity |",
        f"|---|{'---|' * (len(columns) + 2)}",
        f"| dense (0 %) | {' | '.join([cell(dense)] * len(columns))} | 100 % | 0 % |",
    ]
    for method in METHODS.value:
        accuracies = [cell(found[method, sparsity]) for sparsity in SPARSITIES.value]
        last = found[method, SPARSITIES.value[-1]]
        macs = statistics.mean(100 * result["macs_kept"] / result["macs"] for result in last)
        effective = statistics.mean(100 * result["effective_sparsity"] for result in last)
        lines.append(f"| {method} | {' | '.join(accuracies)} | {macs:.1f} % | {effective:.2f} % |")
    table = "\n".join(lines)
    print(table)
    if TABLE.value:
        pathlib.Path(TABLE.value).write_text(table + "\n")


if __name__ == "__main__":
    app.run(main)
