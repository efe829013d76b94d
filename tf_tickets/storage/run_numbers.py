"""Numbers of a run, wherever they are read: what they can be, and what they say of each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tf_tickets.storage import json_rules
from tf_tickets.storage.deployment_rows import check_deployment
from tf_tickets.storage.json_rules import (
    AMOUNT,
    COUNT,
    FRACTION,
    MAPPING,
    NUMBER,
    POSITIVE,
    SECONDS,
    SPARSITY,
    TEXT,
    TEXTS,
    require,
)
from tf_tickets.support.scale import Scale

NEAR = 1e-9  # of a fraction, what another order of its arithmetic may change


def check_numbers(numbers: Mapping[str, Any], where: str) -> None:
    """Checks what is measured of a network.

    Args:
        numbers: of result.json, or of the stage of stages.json that measures.
        where: they stand, for people.

    Raises:
        Unfit: one of them is impossible, or contradicts another.
    """
    scale = checked_scale(numbers, where)
    rule = _of_metric(scale)
    own = scale.name_on_test
    of_networks = {name.format(scale.metric): (name == "test_{}", rule) for name in _OF_NETWORKS}
    json_rules.check(numbers, {**of_networks, **_NUMBERS}, where)
    _check_order(numbers, "macs_kept", "macs", where)
    for last, best in ((own, f"best_{own}"), (f"dense_{own}", f"dense_best_{own}")):
        worse, better = (last, best) if scale.higher_is_better else (best, last)
        _check_order(numbers, worse, better, where)


def checked_scale(numbers: Mapping[str, Any], where: str) -> Scale:
    """How the numbers of a run's metric read; Unfit where what is noted of it cannot be."""
    said = numbers.get("metric")
    if said is not None:
        where = f"{where}: metric"
        json_rules.check(json_rules.mapping(said, where), _SCALE, where)
        unknown = ", ".join(said.keys() - _SCALE.keys())
        require(not unknown, f"{where}: {unknown} is unknown")
    return Scale.of(numbers)


def check_result(result: Mapping[str, Any], where: str = "result.json") -> None:
    """Checks all that is used of what result.json holds.

    Raises:
        Unfit: something is missing or impossible, or contradicts what stands beside it.
    """
    json_rules.check(result, _RESULT, where)
    check_numbers(result, where)
    for name in ("method", "sparsity", "seed"):
        require(name in result["config"], f"{where}: config: {name} is missing")
        require(result[name] == result["config"][name], f"{where}: {name} is not its config's")
    _check_counts(result, f"{where}: layers")
    total = result["total"]
    _check_fraction(result, "achieved_sparsity", result["kept"], total, where)
    on_path = [layer.get("on_path") for layer in result["layers"]]
    if None not in on_path:
        _check_fraction(result, "effective_sparsity", sum(on_path), total, where)
    if result.get("deployment") is not None:
        check_deployment(result["deployment"], where, _of_metric(checked_scale(result, where)))
    nonzero = result.get("nonzero")
    require(nonzero is None or nonzero <= result["kept"], f"{where}: more is nonzero than is kept")


def check_history(rows: Sequence[Any], where: str, scale: Scale) -> None:
    """Checks the epochs of a training; Unfit where a number is missing or impossible.

    Args:
        rows: of the epochs.
        where: they stand, for people.
        scale: of the metric.
    """
    rule = _of_metric(scale)
    rules: json_rules.Rules = {
        scale.name_on_test: (True, rule),
        f"validation_{scale.metric}": (False, rule),
        scale.metric: (False, rule),
        **_EPOCH,
    }
    for row in rows:
        json_rules.check(json_rules.mapping(row, where), rules, where)


def _of_metric(scale: Scale) -> json_rules.Rule:
    """What the numbers of a metric can be."""
    return FRACTION if scale.is_share else NUMBER


def _check_order(numbers: Mapping[str, Any], less: str, more: str, where: str) -> None:
    a, b = numbers.get(less), numbers.get(more)
    require(a is None or b is None or a <= b, f"{where}: {less} is more than {more}")


def _check_counts(result: Mapping[str, Any], where: str) -> None:
    for layer in result["layers"]:
        json_rules.check(json_rules.mapping(layer, where), _LAYER, where)
        require(layer["kept"] <= layer["total"], f"{where}: more is kept than there is")
        require((layer.get("on_path") or 0) <= layer["kept"], f"{where}: more is on a path than is kept")
        shape = layer.get("shape")
        fits = shape is None or math.prod(shape) == layer["total"]
        require(fits, f"{where}: a total of {layer['total']} is not that of shape {shape}")
    for name in ("kept", "total"):
        counted = sum(layer[name] for layer in result["layers"])
        require(counted == result[name], f"{where}: their {name} is {counted} in all, not {result[name]}")


def _check_fraction(result: Mapping[str, Any], name: str, left: int, total: int, where: str) -> None:
    """That a sparsity is the one of the counts beside it."""
    value = result.get(name)
    counted = 1 - left / total
    fits = value is None or abs(value - counted) <= NEAR
    require(fits, f"{where}: {name} is {value}, but {left} of {total} are left")


_SHAPE = (
    lambda x: isinstance(x, list) and 0 < len(x) < 10 and all(map(POSITIVE[0], x)),
    "a list of sizes",
)
_NUMBERS: json_rules.Rules = {
    "training_cost": (False, AMOUNT),
    "macs": (False, COUNT),
    "macs_kept": (False, COUNT),
    "nonzero": (False, COUNT),
    "epochs_trained": (False, COUNT),
    "compressed_bytes": (False, COUNT),
    "dense_compressed_bytes": (False, COUNT),
    "dense_seconds": (False, AMOUNT),
    "test_trials": (False, POSITIVE),
    "weights_sha256": (False, TEXT),
}
# What is measured of networks by the metric, whose name is set in.
_OF_NETWORKS = (
    "test_{}",
    "best_test_{}",
    "validation_{}",
    "dense_test_{}",
    "dense_best_test_{}",
    "pretraining_test_{}",
    "source_test_{}",
    "chance_{}",
)
_SCALE: json_rules.Rules = {
    "metric": (False, (lambda x: isinstance(x, str) and x.isidentifier(), "a name")),
    "higher_is_better": (False, (lambda x: isinstance(x, bool), "true or false")),
    "unit": (False, TEXT),
    "margin": (False, (lambda x: NUMBER[0](x) and x > 0, "a number above 0")),
}
_RESULT: json_rules.Rules = {
    "method": (True, TEXT),
    "sparsity": (True, SPARSITY),
    "achieved_sparsity": (True, FRACTION),
    "kept": (True, COUNT),
    "total": (True, POSITIVE),
    "seed": (True, COUNT),
    "config": (True, MAPPING),
    "layers": (True, (lambda x: isinstance(x, list) and len(x) > 0, "a list of layers")),
    "effective_sparsity": (False, FRACTION),
    "collapsed": (False, TEXT),
    "notes": (False, TEXTS),
    "seconds": (False, SECONDS),
    "versions": (False, MAPPING),
    "hardware": (False, MAPPING),
}
_LAYER: json_rules.Rules = {
    "name": (True, TEXT),
    "kept": (True, COUNT),
    "total": (True, POSITIVE),
    "on_path": (False, COUNT),
    "shape": (False, _SHAPE),
}
_EPOCH: json_rules.Rules = {
    "density": (False, FRACTION),
    "macs_density": (False, FRACTION),
}
