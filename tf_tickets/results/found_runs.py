"""`load`: runs are found in folders and in tables, and read."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable

from tf_tickets.results import reading
from tf_tickets.results.learning_curve import METRICS
from tf_tickets.results.loaded_run import Run
from tf_tickets.results.reading import BROKEN
from tf_tickets.results.run_table import SUFFIX, records
from tf_tickets.storage.atomic_files import PathLike
from tf_tickets.storage.urls import is_url
from tf_tickets.storage.views import view_of


def load(paths: Iterable[PathLike] | PathLike) -> list[Run]:
    """Reads runs, each directory once, sorted by path.

    Args:
        paths: run directories, or folders that are searched for them at any depth; or URLs of such
            (`s3://bucket/runs`). The shared dense trainings and the rounds within a run are no runs.
            Or tables of runs (`report.csv` of a report), which hold all but the learning curves.

    Raises:
        FileNotFoundError: a path does not exist.
        NotADirectoryError: a path is another file than a table of runs.
        ValueError: there is no run at all, or a CSV file is no table of runs.

    Example:
        >>> runs = load(["runs"])
        >>> {run.arm.label: run.endpoint for run in runs if run.status == "finished"}
    """
    paths = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    found: dict[pathlib.Path | str, Run] = {}
    for path in paths:
        view = view_of(path, (".json", METRICS))
        if not view.exists:
            raise FileNotFoundError(
                f"{path} does not exist. Give run directories, or folders that hold them."
            )
        if view.path.suffix == SUFFIX and view.path.is_file():
            for row, record in records(view.path):
                run = Run(row if is_url(row) else pathlib.Path(row), **vars(record), table=view.path)
                found[f"{os.path.realpath(view.path)}: {row}"] = run
            continue
        if not view.path.is_dir():
            raise NotADirectoryError(
                f"{path} is a file. Give run directories, folders that hold them, or a table of runs (.csv)."
            )
        for directory, problem in reading.find(view.path):
            name = view.named(directory)
            real = pathlib.Path(os.path.realpath(directory)) if isinstance(name, pathlib.Path) else name
            if real not in found:
                record = reading.Record(BROKEN, problem=problem) if problem else reading.read(directory)
                found[real] = Run(name, **vars(record))
    if not found:
        raise ValueError(
            f"There is no run in {', '.join(map(str, paths)) or 'no folder'}. "
            "A run's directory holds config.json and result.json (python -m tf_tickets.run makes them)."
        )
    return sorted(found.values(), key=lambda run: pathlib.Path(run.path))
