"""Kills runs at random moments, starts them again, and compares what comes out with undisturbed runs.

Every run is a process of `python -m tf_tickets.run` that gets SIGKILL at a moment drawn from the time that
the undisturbed run took, start-up to export, until it comes to its end. Then final weights, masks, and the
numbers of every epoch and of the result must be those of the undisturbed run, to the bit, and nothing may be
left behind but what a run leaves. Methods take turns until there were so many kills.
"""

import collections
import hashlib
import json
import pathlib
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

from absl import app, flags

# Between them they go through all stages: dense training, kept epochs, rounds, scoring, retraining, exports.
CELLS = (
    "--method=hybrid --sparsity=0.95 --export=saved_model",
    "--method=weight_rewinding --sparsity=0.9 --rewind_epoch=2 --export=",
    "--method=lt --rounds=2 --sparsity=0.9 --export=keras",
    "--method=snip --sparsity=0.9 --sanity_check=rearrange --export=",
    "--method=obd --sparsity=0.9 --validation_fraction=0.1 --export=",
)
# What may differ between two runs of the same bits: times and places.
BESIDE = ("seconds", "config", "summary")
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
    whole: dict[str, float] = {}
    kills, runs, wrong = collections.Counter(), 0, 0
    try:
        while kills.total() < KILLS.value:
            cell = CELLS[runs % min(ONLY.value, len(CELLS))]
            name = f"{runs:03d}"
            own = folder / hashlib.sha256(cell.encode()).hexdigest()[:8]
            if cell not in whole:
                began = time.monotonic()
                if attempt(cell, own / "run", seconds=None) is None:
                    raise RuntimeError(f"The undisturbed run failed: {cell}")
                whole[cell] = time.monotonic() - began
            here = kill_until_done(cell, folder / name / "run", whole[cell], moments)
            kills.update(here)
            differences = compare(own, folder / name)
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


def attempt(cell: str, run_dir: pathlib.Path, seconds: float | None) -> int | None:
    """Starts the run, and kills it after some seconds; its exit code, None where it was killed."""
    command = [
        sys.executable,
        "-m",
        "tf_tickets.run",
        *shlex.split(f"{cell} {RUN.value}"),
        f"--run_dir={run_dir}",
    ]
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    with open(run_dir.parent / "screen.txt", "a", encoding="utf-8") as screen:
        process = subprocess.Popen(command, stdout=screen, stderr=subprocess.STDOUT)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None
    if code:
        raise RuntimeError(f"{shlex.join(command)} ended with {code}; see {run_dir.parent / 'screen.txt'}")
    return code


def kill_until_done(
    cell: str, run_dir: pathlib.Path, seconds: float, moments: random.Random
) -> collections.Counter:
    """Stages in which the run was killed, with how often."""
    kills: collections.Counter = collections.Counter()
    while attempt(cell, run_dir, moments.uniform(0.2, 1.0) * seconds) is None:
        kills[stage_of(run_dir)] += 1
    return kills


def stage_of(run_dir: pathlib.Path) -> str:
    """What the run was at, as far as its directories tell."""
    if not (run_dir / "config.json").exists():
        return "start-up"
    done = set()
    if (run_dir / "stages.json").exists():
        done = set(json.loads((run_dir / "stages.json").read_text()))
    for stage in ("evaluate", "retrain", "ticket"):
        if stage in done:
            return f"what follows {stage}"
    if any((run_dir.parent / "dense").glob("*/stages.json")):
        return "what follows the dense training"
    return "what follows start-up"


def compare(whole: pathlib.Path, killed: pathlib.Path) -> list[str]:
    """What is not the same in two folders of a run and its dense training."""
    differences = []
    ours, theirs = contents(killed), contents(whole)
    for name in sorted({*ours, *theirs}):
        if name not in ours or name not in theirs:
            differences.append(f"{name} only {'killed' if name in ours else 'undisturbed'}")
        elif ours[name] != theirs[name]:
            differences.append(f"{name} differs")
    return differences


def contents(folder: pathlib.Path) -> dict[str, object]:
    """What the files of a run hold, but for times and places; weights as their arrays."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_dir() or path.name in (".lock", "screen.txt", "stages.json"):
            continue
        if {"tensorboard", "saved_model"} & set(name.parts) or path.suffix == ".keras":
            found[name.parts[0]] = True  # events bear times, exports names of their own
        elif path.name == "result.json":
            result = json.loads(path.read_text())
            found[str(name)] = {key: value for key, value in result.items() if key not in BESIDE}
        elif path.suffix == ".h5":
            found[str(name)] = arrays_of(path)
        else:
            found[str(name)] = path.read_bytes()
    return found


def arrays_of(path: pathlib.Path) -> dict[str, bytes]:
    """Every array of a weights file, by its name."""
    import h5py

    arrays: dict[str, bytes] = {}

    def note(name: str, value: object) -> None:
        if isinstance(value, h5py.Dataset):
            arrays[name] = value[()].tobytes()

    with h5py.File(path) as file:
        file.visititems(note)
    return arrays


if __name__ == "__main__":
    app.run(main)
