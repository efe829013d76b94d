"""Runs methods x sparsities x seeds, one after another, and tabulates mean and spread.

Flags of tf_tickets.run that hold for all runs follow a `--`:

    ./scripts/compare --methods=random,hybrid --sparsities=0.95,0.98 --seeds=3 --runs=runs/compare \
        -- --dataset=idx:fashion-mnist
"""

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
    dense = [run(f"dense-{seed}", ["--method=dense", f"--seed={seed}", *common]) for seed in seeds]
    found = {
        (method, sparsity): [
            run(
                f"{method}-{sparsity}-{seed}",
                [f"--method={method}", f"--sparsity={sparsity}", f"--seed={seed}", *common],
            )
            for seed in seeds
        ]
        for method, sparsity in itertools.product(METHODS.value, SPARSITIES.value)
    }
    columns = [f"{100 * float(sparsity):g} %" for sparsity in SPARSITIES.value]
    lines = [
        f"| method | {' | '.join(columns)} | multiply-adds kept at {columns[-1]} |",
        f"|---|{'---|' * (len(columns) + 1)}",
        f"| dense (0 %) | {' | '.join([cell(dense)] * len(columns))} | 100 % |",
    ]
    for method in METHODS.value:
        cells = [cell(found[method, sparsity]) for sparsity in SPARSITIES.value]
        last = found[method, SPARSITIES.value[-1]]
        macs = statistics.mean(100 * result["macs_kept"] / result["macs"] for result in last)
        lines.append(f"| {method} | {' | '.join(cells)} | {macs:.1f} % |")
    table = "\n".join(lines)
    print(table)
    if TABLE.value:
        pathlib.Path(TABLE.value).write_text(table + "\n")


if __name__ == "__main__":
    app.run(main)
