"""Kills and replaces nodes of a Ray cluster at random moments of a sweep, and compares it with a local one.

Says how many cells were lost, how many finished ones were repeated, and how many equal those of the local
sweep to the bit; the exit code is 0 if none was lost, none repeated, and all are equal.
"""

import argparse
import contextlib
import json
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.sweeps.executors.nodes import Nodes, sweep

NODES = 2
# 24 cells that share 4 dense networks.
GRID = (
    "--model=mlp_24_16",
    "--method=lt,hybrid,snip",
    "--sparsity=0.8,0.9",
    "--seed=0-3",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="nodes to kill (default 10)")
    parser.add_argument("--epochs", type=int, default=20, help="of each training (default 20)")
    parser.add_argument("--seconds", type=float, default=30.0, help="between kills at most (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument("--url", action="store_true", help="name the folder of the runs by a URL, file://...")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        return soak(pathlib.Path(name), asked)


def soak(folder: pathlib.Path, asked: argparse.Namespace) -> int:
    """Runs both sweeps, and compares them; returns the exit code."""
    moments = random.Random(asked.seed)
    grid = (*GRID, f"--epochs={asked.epochs}")
    runs = folder / "runs"
    place = f"file://{runs}" if asked.url else str(runs)
    nodes = Nodes(NODES, folder)
    living = list(range(NODES))
    kills = 0
    seen: dict[pathlib.Path, int] = {}
    repeated: set[pathlib.Path] = set()
    try:
        on_ray = ("--executor=ray", f"--ray_address={nodes.wait()}", f"--runs_dir={place}")
        program = sweep(*grid, *on_ray, folder=folder, log=folder / "sweep.log")
        while not look(runs, seen, repeated):  # the first kill comes after the first result
            if program.poll() is not None:
                raise SystemExit((folder / "sweep.log").read_text())
            time.sleep(0.2)
        while program.poll() is None:
            ends = time.monotonic() + moments.uniform(0.0, asked.seconds)
            while time.monotonic() < ends and program.poll() is None:
                look(runs, seen, repeated)
                time.sleep(0.2)
            if program.poll() is None and kills < asked.kills:
                victim = living.pop(moments.randrange(len(living)))
                nodes.ask(f"kill {victim}")
                kills += 1
                living.append(NODES + kills - 1)
                nodes.ask("add")
                print(f"node {victim} killed and replaced, {len(seen)} cells done", flush=True)
        look(runs, seen, repeated)
        print((folder / "sweep.log").read_text())
    finally:
        nodes.close()
    print("the same sweep here", flush=True)
    sweep(*grid, "--runs_dir=local", folder=folder, log=folder / "local.log").wait()
    found, wanted = results(runs), results(folder / "local")
    equal = sum(found.get(name) == value for name, value in wanted.items())
    lost = len(wanted.keys() - found.keys())
    print(
        f"{len(wanted)} cells, {kills} nodes killed: {lost} lost, {len(repeated)} repeated, {equal} equal to "
        "those of a local sweep"
    )
    return int(bool(lost or repeated or equal < len(wanted) or program.returncode or not wanted))


def look(runs: pathlib.Path, seen: dict[pathlib.Path, int], repeated: set[pathlib.Path]) -> int:
    """Notes which results there are, and which were written anew; returns how many there are."""
    for path in runs.glob("*/result.json"):
        with contextlib.suppress(FileNotFoundError):
            number = path.stat().st_mtime_ns
            if seen.setdefault(path, number) != number:
                repeated.add(path)
    return len(seen)


def results(folder: pathlib.Path) -> dict[str, str]:
    """Name of each run -> hash of its weights."""
    paths = folder.glob("*/result.json")
    return {path.parent.name: json.loads(path.read_text())["weights_sha256"] for path in paths}


if __name__ == "__main__":
    sys.exit(main())
