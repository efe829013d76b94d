"""Kills runs at random moments, starts them again, and compares what comes out with undisturbed runs.

Every run is a process of `python -m tf_tickets.run` that gets SIGKILL at a moment drawn from the time that
the undisturbed run took, start-up to export, until it comes to its end. Then final weights, masks, and the
numbers of every epoch and of the result must be those of the undisturbed run, to the bit, and nothing may be
left behind but what a run leaves. Methods take turns until there were so many kills.
"""

import collections
import json
import math
import pathlib
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

from absl import app, flags

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from outcomes import compare

# Between them they go through all stages: dense training, kept epochs, rounds, scoring, retraining, exports.
CELLS = (
    "--method=hybrid --sparsity=0.95 --export=saved_model",
    "--method=weight_rewinding --sparsity=0.9 --rewind_epoch=2 --export=",
    "--method=lt --rounds=2 --sparsity=0.9 --export=keras",
    "--method=snip --sparsity=0.9 --sanity_check=rearrange --export=",
    "--method=obd --sparsity=0.9 --validation_fraction=0.1 --export=",
    "--method=rigl --sparsity=0.9 --source_density=0.4 --search_options=frequency=5 --export=",
    "--method=granet --sparsity=0.9 --search_options=frequency=5 --export=",
    "--method=edge_popup --sparsity=0.8 --source_density=0.5 --export=",
    "--method=str --search_options=initial_value=-4,decay=0.01 --export=",
)
KILLS = flags.DEFINE_integer("kills", 20, "How many at least.", lower_bound=1)
SEED = flags.DEFINE_integer("seed", 0, "Of the moments.")
RUN = flags.DEFINE_string(
    "run",
    "--model=resnet8 --width=0.25 --epochs=5 --threads=1 --checkpoint_minutes=0",
    "Flags that all runs have.",
)
ONLY = flags.DEFINE_integer("cells", len(CELLS), f"How many of the {len(CELLS)} methods.", lower_bound=1)
FOLDER = flags.DEFINE_string("folder", None, "Keep the runs here; by default they are removed.")


def main(_: list[str]) -> int:
    """Runs the soak; 0 if every run that was killed came to the same bits."""
    moments = random.Random(SEED.value)
    folder = pathlib.Path(FOLDER.value or tempfile.mkdtemp(prefix="tf_tickets_soak_"))
    whole: dict[str, Run] = {}
    kills, runs, wrong = collections.Counter(), 0, 0
    try:
        while kills.total() < KILLS.value:
            cell = CELLS[runs % min(ONLY.value, len(CELLS))]
            if cell not in whole:
                whole[cell] = Run(cell, folder / f"whole_{len(whole)}")
                whole[cell].attempt()
            killed = Run(cell, folder / f"killed_{runs:03d}")
            here = killed.kill_until_done(whole[cell], moments, KILLS.value - kills.total())
            kills.update(here)
            differences = compare(whole[cell].folder, killed.folder)
            wrong += bool(differences)
            runs += 1
            verdict = "; ".join(differences) or "the same bits"
            print(f"{cell}: {sum(here.values())} kills, {verdict}", flush=True)
    finally:
        if FOLDER.value is None:
            shutil.rmtree(folder, ignore_errors=True)
    stages = ", ".join(f"{count} in {stage}" for stage, count in kills.most_common())
    print(f"{runs} runs, {kills.total()} kills ({stages}): {wrong} runs differ")
    return 1 if wrong else 0


class Run:
    """A run in a folder of its own, which can be killed and started again.

    Attributes:
        start: seconds that the last attempt took to its plan.
        work: seconds that it took from there to its end.
    """

    def __init__(self, cell: str, folder: pathlib.Path):
        self.folder, self.screen = folder, folder / "screen.txt"
        arguments = [*shlex.split(f"{cell} {RUN.value}"), f"--run_dir={folder / 'run'}"]
        self.command = [sys.executable, "-m", "tf_tickets.run", *arguments]
        self.start = self.work = 0.0
        folder.mkdir(parents=True)

    def attempt(self, in_start_up: float = math.inf, after: float = math.inf) -> bool:
        """Starts it; whether it came to its end before it was killed.

        Args:
            in_start_up: seconds after which it is killed if it has not shown its plan.
            after: seconds after the plan when it is killed.
        """
        began = time.monotonic()
        planned: float | None = None
        with open(self.screen, "w", encoding="utf-8") as screen:
            process = subprocess.Popen(self.command, stdout=screen, stderr=subprocess.STDOUT)
            while process.poll() is None:
                now = time.monotonic()
                if planned is None and "\nplan" in self.screen.read_text():
                    planned, self.start = now, now - began
                if now > (began + in_start_up if planned is None else planned + after):
                    process.kill()
                    process.wait()
                    return False
                time.sleep(0.005)
        if process.returncode:
            raise RuntimeError(f"{shlex.join(self.command)}: {self.screen.read_text()}")
        self.work = time.monotonic() - began - self.start
        return True

    def kill_until_done(self, whole: "Run", moments: random.Random, most: int) -> collections.Counter:
        """Stages in which it was killed, with how often; one of eight in the start-up, all at most `most`."""
        kills: collections.Counter = collections.Counter()
        while True:
            if kills.total() == most:
                self.attempt()
                return kills
            in_start_up = whole.start * moments.random() if moments.random() < 1 / 8 else math.inf
            if self.attempt(in_start_up, after=whole.work * moments.random()):
                return kills
            kills["start-up" if in_start_up < math.inf else self.stage()] += 1

    def stage(self) -> str:
        """What the run was at, as far as its directories tell."""
        at = "dense training, or scoring at the initialisation"
        if any((self.folder / "dense").glob("*/stages.json")):
            at = "scoring after the dense training, or rounds"
        stages = self.folder / "run" / "stages.json"
        done = json.loads(stages.read_text()) if stages.exists() else {}
        after = {"ticket": "retraining", "retrain": "evaluation", "evaluate": "export and report"}
        return ([at] + [name for stage, name in after.items() if stage in done])[-1]


if __name__ == "__main__":
    app.run(main)
