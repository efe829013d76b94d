"""What a run hands over: exports in the formats asked for, and result.json."""

import dataclasses
import json
import time
from typing import Any

import numpy as np

from tf_tickets import pruning
from tf_tickets.config.config import DEPLOYMENT
from tf_tickets.deployments.deploying import BATCH as DEPLOYED_BATCH
from tf_tickets.deployments.deploying import chosen, measured_deployment
from tf_tickets.exporting import FORMATS
from tf_tickets.exporting import export as export_model
from tf_tickets.exporting.runtimes import Run
from tf_tickets.exporting.samples import MOST as SAMPLES
from tf_tickets.pipeline.environment import hardware, versions
from tf_tickets.pipeline.job import Job
from tf_tickets.pipeline.measures import measure_of_export, measure_of_split
from tf_tickets.pipeline.showing import show_result


def export(job: Job) -> None:
    """Writes the formats asked for; a SavedModel is run in a fresh process, and its outputs compared."""
    directory = job.directory
    for wanted in job.config.exports:
        row, stage = FORMATS[wanted.format], f"export_{wanted.name}"
        path = directory.path / wanted.file
        if directory.finished(stage) is not None:
            continue
        began = time.perf_counter()
        directory.begin(stage)
        options: dict[str, Any] = {**row.in_runs, **wanted.options}
        if "data" in row.options:
            options["data"] = _samples(job)
        written = export_model(job.model, path, wanted.format, overwrite=True, allow_dense=True, **options)
        facts = row.verify(job.model, path, job.dataset.first("test", 64)) if row.verify is not None else {}
        # What rounds is measured; the outputs of the others have been compared.
        if "quantize" in wanted.options and row.run is not None:
            facts = {**facts, job.scale.name_on_test: measure_of_export(job, row.run(path))}
        if written.notes:
            facts = {**facts, "notes": list(written.notes)}
        files = [path, *(path.with_suffix(suffix) for suffix in row.beside)]
        directory.finish(stage, {"seconds": time.perf_counter() - began, **facts}, files)


def deploy(job: Job) -> None:
    """Measures each way to ship the network that can be run here, where that is asked for."""
    directory = job.directory
    if not (job.config.deployment and job.team.chief) or directory.finished(DEPLOYMENT) is not None:
        return
    began = time.perf_counter()
    directory.begin(DEPLOYMENT)
    wanted, left_out = chosen(None)
    of_model: list[float] = []

    def measure(run: Run) -> tuple[float, float]:
        if not of_model:
            of_model.append(measure_of_split(job, job.dataset, "test")()[job.scale.metric])
        return measure_of_export(job, run), of_model[0]

    table = measured_deployment(
        job.model, DEPLOYED_BATCH, wanted, left_out, _samples(job), measure, f"test {job.scale.words}"
    )
    directory.finish(DEPLOYMENT, {"seconds": time.perf_counter() - began, "table": table.to_dict()})


def _samples(job: Job) -> np.ndarray:
    """Training examples in random order, as the network sees them, not augmented."""
    (batch,) = job.dataset.batches("train", SAMPLES, shuffle=True, seed=job.config.seed).take(1)
    return batch[0].numpy()


def report(job: Job, ticket: pruning.Ticket, numbers: dict[str, Any]) -> dict[str, Any]:
    """Writes result.json and the closing table."""
    config, directory = job.config, job.directory
    seconds: dict[str, float | None] = {**directory.seconds}
    numbers = dict(numbers)
    dense_seconds = numbers.pop("dense_seconds", None)
    if config.trained_rounds > 1:
        seconds = {"rounds": (directory.finished("ticket") or {})["rounds_seconds"], **seconds}
    if config.pretrains:
        seconds = {"dense": dense_seconds, **seconds}
    result = {
        "method": config.method,
        "sanity_check": config.sanity_check,
        "sparsity": config.sparsity,
        "achieved_sparsity": ticket.sparsity,
        "kept": ticket.kept,
        "total": ticket.total,
        "effective_sparsity": ticket.effective_sparsity,
        "collapsed": ticket.collapsed,
        "layers": _layers(ticket),
        "notes": list(ticket.notes),
        **numbers,
        "seconds": seconds,
        "seed": config.seed,
        "config": config.to_json(),
        "versions": versions(),
        "hardware": hardware(config),
    }
    deployed = directory.noted(DEPLOYMENT)
    if deployed is not None:
        result[DEPLOYMENT] = deployed["table"]
    before = directory.unchanged_result()
    if before is not None and {**before, **_machine(result)} == json.loads(json.dumps(result)):
        result.update(_machine(before))  # which made it
    try:
        directory.write_result(result)
    except OSError:
        if not job.is_finished:  # of one that is, on a disk that may only be read, a result is there
            raise
    show_result(job, ticket, result)
    return result


def _machine(result: dict[str, Any]) -> dict[str, Any]:
    """What a result says of the machine and its software."""
    return json.loads(json.dumps({name: result.get(name) for name in ("versions", "hardware")}))


def _layers(ticket: pruning.Ticket) -> list[dict[str, Any]]:
    counts = ticket.on_path or (None,) * len(ticket.masks)
    return [
        {**dataclasses.asdict(layer), "shape": list(layer.shape), "on_path": count}
        for layer, count in zip(ticket.layers, counts, strict=True)
    ]
