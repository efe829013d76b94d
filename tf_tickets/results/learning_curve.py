"""The epochs of a run's retraining, as its metrics.jsonl has them."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from tf_tickets.storage import json_rules
from tf_tickets.storage.fingerprints import fingerprint
from tf_tickets.storage.json_rules import Unfit, require
from tf_tickets.storage.run_numbers import check_history
from tf_tickets.storage.stages import DIFFERS, hashes_of
from tf_tickets.support.numbers import is_finite, is_whole
from tf_tickets.support.scale import Scale

METRICS = "metrics.jsonl"
LOSS = "loss"  # of the training, in an epoch


def read_curve(
    directory: pathlib.Path, stages: Mapping[str, Mapping[str, Any]], scale: Scale
) -> list[dict[str, Any]]:
    """The epochs, ascending, each with `epoch`, the metric on test data and, where it is known, `loss`.

    Args:
        directory: of a finished run.
        stages: what its stages.json holds, checked.
        scale: of the run's metric; an epoch has it as `scale.name_on_test`, such as `test_accuracy`.

    Returns:
        One mapping an epoch; none where there is no such file, as in a run that was not retrained.

    Raises:
        Unfit: the file is not what the run wrote, or says what cannot be.
    """
    path = directory / METRICS
    if not path.exists():
        return []
    noted = {digest for facts in stages.values() if (digest := hashes_of(facts).get(METRICS))}
    require(not noted or fingerprint(path) in noted, f"{METRICS} is not what the run wrote: {DIFFERS}")
    require(path.is_file(), f"{METRICS} is no file")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [json_rules.mapping(json.loads(line), METRICS) for line in lines]
    except OSError as error:
        raise Unfit(f"{METRICS} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Unfit(f"{METRICS} is damaged: {str(error)[:120]}") from None
    check_history(rows, METRICS, scale)
    require(all(is_whole(row.get("epoch"), 0, 10**9) for row in rows), f"{METRICS}: an epoch has no number")
    epochs = [row["epoch"] for row in rows]
    require(epochs == sorted(set(epochs)), f"{METRICS}: its epochs are not in order")
    # A loss that is not finite is that of a training that diverged.
    names = ("epoch", scale.name_on_test, LOSS)
    return [{name: row[name] for name in names if is_finite(row.get(name))} for row in rows]
