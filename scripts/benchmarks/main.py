"""Training steps and scores side by side, and selection of weights by their scores.

--what chooses of:

training: our trainer, masked and not, beside Keras's own layers, a plain fit and a plain PyTorch loop.

loop: what training costs beside its steps: real batches, shuffled and augmented as of CIFAR-10, beside one
constant batch that is there already; one step in a call of the traced function beside all of a turn in one;
a checkpoint after every turn.

moving: steps of networks whose masks move. A tap that is closed lets gradients pass; one that is open adds
them to its buffer, in the step before an update; an update chooses masks anew, of all layers in one traced
function. The mean of an interval of 100 steps is 99 with closed taps and one with an update.

scoring: SNIP and GraSP (temperature 200, in halves, the classifier redrawn) as multiples of one training
step of the same batch; beside them the same scores in plain PyTorch as multiples of one step of the plain
PyTorch loop. GraSP stands twice there: as the authors' code computes it, with two forward passes of each
half, and in one pass. What counts is a call as rounds of pruning make it, traced before; the first call,
which traces, is shown too. --batch_size=100 is the papers' scoring batch, 10 of each of 10 classes.

selection: seconds and memory, with the scores themselves, of choosing the best tenth of --scores scores
over all layers together: of scores that differ, that are all the same, and with a weight of each layer kept
at least.

deploy: SavedModels of pruned networks at full size: Keras's export, folded (batch normalisation in the
kernels, dense), compact, with sparse kernels, and both; processor milliseconds of one thread, interleaved in
one process, bytes on disk and seconds to load. A ratio that must be reached is followed by it. --models
chooses the networks.

sweep: the runs of the paper's Table 3 at a small scale, as a sweep that trains each dense network once,
beside the same runs one by one, each with a dense training of its own.

deploy: networks as they are shipped, by sparse kernels and by LiteRT's integers, beside Keras's own export
(or folded dense, where a case says so): --cases chooses some of them.

Every contender has a process of its own; they take turns, and medians of the turns are compared. Turns make
the ratios hold on a noisy machine: whatever slows it down slows all contenders alike. The ratios of the
fastest turns and of the medians of CPU seconds stand behind each: where they disagree, something else took
the cores, and only the last means much. (CPU seconds count every thread, and say nothing of how well the
cores were shared.) A ratio with a limit is followed by it. Peak memory is a process's, libraries and all.
"""

import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys

from absl import app, flags

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import contenders
import deploying
import selection
import sweeping
from comparisons import COMPARISONS

WHATS = (*COMPARISONS, "selection", "sweep", "deploy")
COMPARED = ("step_ms", "fastest_ms", "cpu_ms")
SELECTION_LIMITS = {"seconds": 3.0, "memory": 3.0}

WHAT = flags.DEFINE_list("what", list(WHATS), f"What to measure, of: {', '.join(WHATS)}.")
BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 64, "Examples in a step, and in a batch to score; 32x32 images.", lower_bound=2
)
MODELS = flags.DEFINE_list("models", ["resnet32", "vgg19"], "Models of tf_tickets.models.")
ONLY = flags.DEFINE_list("only", None, f"Contenders, of: {', '.join(contenders.CONTENDERS)}. Default: all.")
ROUNDS = flags.DEFINE_integer("rounds", 9, "Turns of each contender.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 4, "Steps, or scores, in a turn.", lower_bound=1)
THREADS = flags.DEFINE_integer("threads", None, "Threads of each contender. Default: all cores.")
SCORES = flags.DEFINE_integer("scores", 100_000_000, "Scores to select from.", lower_bound=selection.LAYERS)
EPOCHS = flags.DEFINE_integer("epochs", 10, "Of each training of the sweep.", lower_bound=1)
CASES = flags.DEFINE_list(
    "cases", None, f"Of deploy, as beginnings of names: {'; '.join(deploying.NAMES)}. Default: all."
)
OUTPUT = flags.DEFINE_string("output", None, "Also write the numbers to this JSON file.")
flags.register_validator(
    "what", lambda names: set(names) <= set(WHATS), message=f"--what takes some of: {', '.join(WHATS)}"
)
flags.register_validator(
    "only",
    lambda names: set(names or ()) <= set(contenders.CONTENDERS),
    message=f"--only takes some of: {', '.join(contenders.CONTENDERS)}",
)


class Contender:
    """A process that steps when told to."""

    def __init__(self, name: str, model: str):
        threads = str(THREADS.value or len(os.sched_getaffinity(0)))
        command = [sys.executable, contenders.__file__, name, model, str(BATCH_SIZE.value), threads]
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.first = self._answer()
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        self.peak_mib = 0.0

    def turn(self, steps: int) -> None:
        """Runs some steps and notes the seconds of one."""
        print(steps, file=self.process.stdin, flush=True)
        answer = self._answer()
        self.seconds.append(answer["seconds"] / steps)
        self.cpu_seconds.append(answer["cpu_seconds"] / steps)
        self.peak_mib = answer["peak_mib"]

    def stop(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            alone = " ".join(self.process.args)
            raise RuntimeError(f"{self.name} stopped with exit code {code}; run it alone: {alone}")
        return json.loads(line)


def measure(model: str, names: list[str]) -> dict[str, dict[str, float]]:
    """Medians of every contender on one model."""
    running = []
    try:
        for name in names:
            print(f"  {model}: starting {name}", flush=True)
            running.append(Contender(name, model))
        for _ in range(ROUNDS.value):
            for contender in running:
                contender.turn(STEPS.value)
    finally:
        for contender in running:
            contender.stop()
    return {
        c.name: {
            "step_ms": 1e3 * statistics.median(c.seconds),
            "fastest_ms": 1e3 * min(c.seconds),
            "cpu_ms": 1e3 * statistics.median(c.cpu_seconds),
            **c.first,
            "peak_mib": c.peak_mib,
        }
        for c in running
    }


def compare(what: str, model: str, names: list[str]) -> dict[str, dict[str, float]]:
    """Measures and prints one comparison on one model."""
    found = measure(model, names)
    print(f"\n{what}, {model}, batch {BATCH_SIZE.value}, medians of {ROUNDS.value} turns of {STEPS.value}")
    for name, row in found.items():
        print(
            f"  {name:20} {row['step_ms']:8.1f} ms (fastest {row['fastest_ms']:.1f}), "
            f"CPU {row['cpu_ms']:.1f} ms, first {row['tracing_step_s']:.1f} s, "
            f"{row['first_step_s']:.1f} s after start; peak {row['peak_mib']:,.0f} MiB"
        )
    for ratio in COMPARISONS[what].ratios:
        if {*ratio.weights, ratio.over} <= found.keys():
            median, fastest, cpu = (
                sum(weight * found[name][key] for name, weight in ratio.weights.items())
                / found[ratio.over][key]
                for key in COMPARED
            )
            print(f"  {ratio.title:32} {against(median, ratio.limit)} (fastest {fastest:.3f}, CPU {cpu:.3f})")
    print(flush=True)
    return found


def select() -> dict[str, dict[str, float]]:
    """Measures and prints the selection of weights by their scores."""
    print(f"selection of 10 % of {SCORES.value:,} scores, medians of {ROUNDS.value} turns")
    found = {}
    for case in selection.CASES:
        command = [sys.executable, selection.__file__, case, str(SCORES.value), str(ROUNDS.value)]
        answer = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
        )
        row = found[case] = json.loads(answer.stdout)
        seconds, memory = (against(row[key], limit) for key, limit in SELECTION_LIMITS.items())
        print(
            f"  {case:10} {seconds} s (fastest {row['fastest_s']:.3f}), memory {memory} times the scores' own"
        )
    print(flush=True)
    return found


def sweep() -> dict[str, float]:
    """Measures and prints what a sweep saves by sharing dense trainings."""
    threads = str(THREADS.value or len(os.sched_getaffinity(0)))
    command = [sys.executable, sweeping.__file__, str(EPOCHS.value), threads]
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    found = json.loads(answer.stdout)
    print(
        f"sweep of {found['runs']} runs of {EPOCHS.value} epochs, {found['dense']} dense networks\n"
        f"  shared {found['shared_s']:.1f} s, each run alone {found['alone_s']:.1f} s: "
        f"{found['saved']:.0%} of the time is saved\n",
        flush=True,
    )
    return found


def deploy() -> dict[str, dict[str, float]]:
    """Measures and prints what networks gain in the ways to ship them."""
    found = {}
    print("deploy: CPU time of a batch, one thread, medians of rounds in turn")
    for name in deploying.NAMES:
        if CASES.value and not name.startswith(tuple(CASES.value)):
            continue
        command = [sys.executable, deploying.__file__, name]
        answer = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
        )
        row = found[name] = json.loads(answer.stdout)
        times = ", ".join(f"{way} {value:.4g}" for way, value in row["milliseconds"].items())
        lost = row["accuracy_lost"]
        print(
            f"  {name:38} {row['faster']:6.2f} times {row['over']} "
            f"[{'within' if row['met'] else 'BELOW'} {row['at_least']:g}]; ms: {times}; "
            f"{row['bytes'] / 1e6:.3g} MB" + ("" if lost is None else f"; {100 * lost:.2f} points lost"),
            flush=True,
        )
    print(flush=True)
    return found


def against(value: float, limit: float | None) -> str:
    """A number, and the limit beside it where there is one."""
    if limit is None:
        return f"{value:.3f}"
    return f"{value:.3f} [{'within' if value <= limit else 'ABOVE'} {limit:g}]"


OTHERS = {"selection": select, "sweep": sweep, "deploy": deploy}


def available(names: list[str]) -> list[str]:
    """The contenders whose libraries are installed."""
    if importlib.util.find_spec("torch") is not None:
        return names
    left_out = [name for name in names if name.startswith("torch")]
    if left_out:
        print(f"PyTorch is not installed: {', '.join(left_out)} left out")
    return [name for name in names if name not in left_out]


def main(argv: list[str]) -> None:
    """Measures, prints and writes."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    results: dict[str, dict] = {}
    for what in WHAT.value:
        if what in OTHERS:
            results[what] = OTHERS[what]()
            continue
        names = [name for name in COMPARISONS[what].contenders if not ONLY.value or name in ONLY.value]
        names = available(names)
        if names:
            results[what] = {model: compare(what, model, names) for model in MODELS.value}
    if OUTPUT.value:
        pathlib.Path(OUTPUT.value).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
