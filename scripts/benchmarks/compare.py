"""Runs methods x sparsities x seeds, `--jobs` at a time, and tabulates mean and spread.

Flags of tf_tickets.run that hold for all runs follow a `--`:

    ./scripts/compare --methods=random,hybrid --sparsities=0.95,0.98 --seeds=3 --runs=runs/compare \
        -- --dataset=idx:fashion-mnist
"""

import concurrent.futures
import contextlib
import io
import itertools
import json
import multiprocessing
import pathlib
import statistics

from absl import app, flags
from absl.testing import flagsaver

from tf_tickets import config as configuration
from tf_tickets import run as command

METHODS = flags.DEFINE_list("methods", ["random", "uniform", "lt", "lr_rewinding", "hybrid"], "Methods.")
SPARSITIES = flags.DEFINE_list("sparsities", ["0.95", "0.98"], "Sparsities.")
SEEDS = flags.DEFINE_integer("seeds", 3, "Seeds 0, 1, ...", lower_bound=1)
RUNS = flags.DEFINE_string("runs", None, "Folder for the runs; finished ones are not run again.")
JOBS = flags.DEFINE_integer("jobs", 1, "Runs at a time; give each its --threads.", lower_bound=1)
TABLE = flags.DEFINE_string("table", None, "Also write the table to this file.")


def run(directory: str, arguments: list[str]) -> dict:
    """The result of one run; a finished one is checked to be of this config, and not run again.

    Runs of one process follow each other, so that TensorFlow is loaded once.
    """
    import keras

    configuration.define_flags()
    with flagsaver.flagsaver():
        flags.FLAGS.unparse_flags()
        flags.FLAGS(["run", f"--run_dir={directory}", "--export=", *arguments])
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
            code = command.main(["run"])
    keras.utils.clear_session()
    if code:
        raise RuntimeError(f"{directory}: {errors.getvalue()}")
    print(pathlib.Path(directory).name, flush=True)
    return json.loads(pathlib.Path(directory, "result.json").read_text())


def cell(results: list[dict], key: str = "test_accuracy") -> str:
    """Mean and standard deviation over seeds, in per cent."""
    values = [100 * result[key] for result in results]
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.2f} ± {spread:.2f}"


def main(argv: list[str]) -> None:
    """Runs and tabulates."""
    common, seeds = argv[1:], range(SEEDS.value)
    cells = [*itertools.product(METHODS.value, SPARSITIES.value)]
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(JOBS.value, mp_context=context) as pool:

        def start(method: str, sparsity: str | None, seed: int):
            flag = [] if sparsity is None else [f"--sparsity={sparsity}"]
            name = "-".join(part for part in (method, sparsity, str(seed)) if part is not None)
            directory = str(pathlib.Path(RUNS.value, name))
            return pool.submit(run, directory, [f"--method={method}", f"--seed={seed}", *flag, *common])

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
    flags.mark_flag_as_required("runs")
    app.run(main)
