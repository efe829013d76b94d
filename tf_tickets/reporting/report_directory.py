"""Writing a report of runs: a page, Markdown, CSV files and figures."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tf_tickets import results
from tf_tickets.reporting.document import Document
from tf_tickets.results import Analysis, Run
from tf_tickets.results.protocol import RECORD
from tf_tickets.storage.atomic_files import PathLike, read_json, replacing, write_json
from tf_tickets.storage.user_paths import user_path

TITLE = "Tickets and their sanity checks"
# Says that a directory is ours, and which files of it.
MARKER = ".tf_tickets_report"
PAGE, TEXT, NUMBERS, LAYERS, FIGURES = "index.html", "report.md", "report.csv", "layers.csv", "figures"
TABLES = "tables"
# Folder of what is made anew with each report -> how names of our files in it end.
MADE = {FIGURES: (".svg", ".pdf"), TABLES: (".tex",)}


def make_report(
    runs: Iterable[PathLike] | PathLike,
    output: PathLike,
    *,
    title: str = TITLE,
    margin: float | str | None = None,
    loss_margin: float | str | None = None,
    alpha: float | None = None,
) -> pathlib.Path:
    """Writes a report: a page, Markdown, CSV files, and figures and tables for papers.

    Args:
        runs: run directories, folders that are searched for them, or tables of runs (report.csv).
        output: directory for the report; made if it does not exist. One that is neither empty nor a
            report's is refused. Files of an earlier report are replaced, others are left alone.
        title: on top.
        margin: of equivalence, in the unit of the metric (0.01 of accuracy is one point), or as `"25%"` a
            part of the gap between random tickets and the dense network; None: that of the plan that the
            runs were made by, or else the metric's own.
        loss_margin: likewise, of the loss on the test set, which is judged too then.
        alpha: chance of a false answer in a family of checks. None: the plan's, or else 0.05.

    Returns:
        The page, OUTPUT/index.html. Beside it are report.md, report.csv (one row a run), the plan that they
        were made by if there is one (plan.json), layers.csv (one row a layer), figures/ (each as SVG and PDF)
        and tables/ (each as LaTeX).

    Raises:
        FileNotFoundError: a path of `runs` does not exist.
        ValueError: there is no run; `output` is not ours; `margin` or `alpha` is out of range.

    Example:
        >>> make_report("runs", "report", title="Digits at 98 %")
        PosixPath('report/index.html')
    """
    return make(runs, output, title, margin, alpha, loss_margin)[0]


def make(
    runs: Iterable[PathLike] | PathLike,
    output: PathLike,
    title: str,
    margin: float | str | None = None,
    alpha: float | None = None,
    loss_margin: float | str | None = None,
) -> tuple[pathlib.Path, Document]:
    """Does what `make_report` says; returns the page, and the document that it shows."""
    said: dict[str, Any] = {"margin": margin, "loss_margin": loss_margin, "alpha": alpha}
    asked = {name: value for name, value in said.items() if value is not None}
    analysis = Analysis.read(**asked)
    directory = user_path(f"--output={output}", output)
    _check_ours(directory)
    found = results.load(runs)

    from tf_tickets.reporting import latex, layer_table, page, sections

    # What is not said is as it was planned.
    planned = results.planned_analysis(results.protocols(found))
    used = dataclasses.replace(planned, **{name: getattr(analysis, name) for name in asked})
    document = sections.document(found, title, used)
    files: dict[str, str | bytes] = {
        NUMBERS: results.run_table(found),
        **_plan_of(found),
        LAYERS: layer_table.layer_table(found),
        **{f"{FIGURES}/{figure.name}.svg": figure.whole for figure in document.figures},
        **{f"{FIGURES}/{figure.name}.pdf": figure.pdf for figure in document.figures},
        **latex.files(document, TABLES),
        TEXT: page.markdown(document, FIGURES),
        PAGE: page.html(document),
    }
    _write(directory, files)
    return directory / PAGE, document


def _plan_of(runs: Sequence[Run]) -> dict[str, str | bytes]:
    """The plan that all runs were made by, which whoever reads their table has to know; none of several."""
    plans = results.protocols(runs)
    return {RECORD: json.dumps(plans[0].to_json(), indent=1)} if len(plans) == 1 else {}


def _check_ours(directory: pathlib.Path) -> None:
    if not directory.exists():
        return
    if not directory.is_dir():
        raise ValueError(f"{directory} is not a directory. Choose another --output.")
    if not (directory / MARKER).is_file() and any(os.scandir(directory)):
        raise ValueError(f"{directory} is not empty and holds no report. Choose another --output.")


def _write(directory: pathlib.Path, files: Mapping[str, str | bytes]) -> None:
    """Writes the files, each whole or not at all, and removes those of an earlier report that are no more."""
    marker = directory / MARKER
    directory.mkdir(parents=True, exist_ok=True)
    earlier = _earlier(marker)
    # Before the first file, so that an interrupted report is still known as ours.
    write_json(marker, sorted({*earlier, *files}))
    for name, content in files.items():
        with replacing(directory / name) as new:
            # Names of files need not be Unicode.
            new.write_bytes(
                content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
            )
    for name in earlier - set(files):
        (directory / name).unlink(missing_ok=True)
    write_json(marker, sorted(files))


def _earlier(marker: pathlib.Path) -> set[str]:
    """Files of the report that lies there, as far as they are figures and tables in their place."""
    if not marker.exists():
        return set()
    names = read_json(marker)
    if not isinstance(names, list):
        raise ValueError(f"{marker} is damaged. Delete {marker.parent}, or choose another --output.")
    return {name for name in names if isinstance(name, str) and _is_made(pathlib.PurePosixPath(name))}


def _is_made(path: pathlib.PurePosixPath) -> bool:
    return str(path) == RECORD or (len(path.parts) == 2 and path.suffix in MADE.get(str(path.parent), ()))
