"""Training steps side by side: every contender in a process of its own, taking turns, medians of the turns.

Turns make the ratios hold on a noisy machine: whatever slows it down slows all contenders alike.
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

BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Examples in a step, 32x32 images.", lower_bound=1)
MODELS = flags.DEFINE_list("models", ["resnet32", "vgg19"], "Models of tf_tickets.models.")
ONLY = flags.DEFINE_list("only", None, f"Contenders, of: {', '.join(contenders.CONTENDERS)}. Default: all.")
ROUNDS = flags.DEFINE_integer("rounds", 9, "Turns of each contender.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 4, "Steps in a turn.", lower_bound=1)
THREADS = flags.DEFINE_integer("threads", None, "Threads of each contender. Default: all cores.")
OUTPUT = flags.DEFINE_string("output", None, "Also write the numbers to this JSON file.")

# (ratio shown, of, over)
RATIOS = (
    ("masked / unmasked", "masked", "unmasked"),
    ("unmasked / stock Keras layers", "unmasked", "stock"),
    ("masked / torch", "masked", "torch"),
    ("masked / torch, channels last", "masked", "torch_channels_last"),
    ("trainer / fit", "masked", "fit"),
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
        self.ready = self._answer()
        self.seconds: list[float] = []

    def turn(self, steps: int) -> None:
        """Runs some steps and notes the seconds of one."""
        print(steps, file=self.process.stdin, flush=True)
        self.seconds.append(self._answer()["seconds"] / steps)

    def stop(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} stopped; run it alone: {' '.join(self.process.args)}")
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
            "first_step_s": c.ready["first_step_s"],
            "peak_mib": c.ready["peak_mib"],
        }
        for c in running
    }


def main(argv: list[str]) -> None:
    """Measures, prints and writes."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    names = ONLY.value or list(contenders.CONTENDERS)
    unknown = sorted(set(names) - set(contenders.CONTENDERS))
    if unknown:
        raise app.UsageError(f"--only={','.join(unknown)} is unknown")
    if importlib.util.find_spec("torch") is None:
        left_out = [name for name in names if name.startswith("torch")]
        if left_out:
            print(f"PyTorch is not installed: {', '.join(left_out)} left out")
        names = [name for name in names if name not in left_out]
    results = {}
    for model in MODELS.value:
        found = results[model] = measure(model, names)
        print(f"\n{model}, batch {BATCH_SIZE.value}, medians of {ROUNDS.value} turns of {STEPS.value} steps")
        for name, row in found.items():
            print(
                f"  {name:20} step {row['step_ms']:8.1f} ms (fastest {row['fastest_ms']:.1f}), first step "
                f"after {row['first_step_s']:.1f} s, peak {row['peak_mib']:,.0f} MiB"
            )
        for title, of, over in RATIOS:
            if of in found and over in found:
                print(f"  {title:32} {found[of]['step_ms'] / found[over]['step_ms']:.3f}")
        print()
    if OUTPUT.value:
        pathlib.Path(OUTPUT.value).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
