"""Run directories with made-up numbers, exactly as the pipeline writes them, and without any training."""

import dataclasses
import hashlib
import json
import pathlib
import random

from tf_tickets.config import Config
from tf_tickets.data.sources import SOURCES
from tf_tickets.methods.table import INIT, METHODS, REWOUND
from tf_tickets.support.scale import Scale

# Name, shape and multiply-adds of each weight.
LAYERS = (
    ("stem_conv/kernel", (3, 3, 1, 16), 64),
    ("stage1_block1_conv1/kernel", (3, 3, 16, 16), 64),
    ("stage1_block1_conv2/kernel", (3, 3, 16, 16), 64),
    ("stage2_block1_conv1/kernel", (3, 3, 16, 32), 16),
    ("stage2_block1_conv2/kernel", (3, 3, 32, 32), 16),
    ("stage2_block1_shortcut/kernel", (1, 1, 16, 32), 16),
    ("stage3_block1_conv1/kernel", (3, 3, 32, 64), 4),
    ("stage3_block1_conv2/kernel", (3, 3, 64, 64), 4),
    ("stage3_block1_shortcut/kernel", (1, 1, 32, 64), 4),
    ("classifier/kernel", (64, 10), 1),
)
SOURCE = {"source_density": 0.3, "source_ratios": "balanced"}
ACCURACY = Scale()
ERROR = Scale("root_mean_squared_error", higher_is_better=False, unit="mmHg", margin=None)
DATA_CHECKS = ("random_labels", "random_pixels", "corrupted", "half_dataset", "half_dataset_in_order")


def config(method="snip", sparsity=0.98, seed=0, check=None, recipe=(), **fields):
    """A Config with the method's own options."""
    row = METHODS[method]
    settings = dataclasses.replace(SOURCES["digits"].recipe, **dict(recipe))
    return Config(
        **{
            "method": method,
            "sparsity": sparsity if row.prunes else 0.0,
            "ratios": row.ratios,
            "family": None,
            "classifier_keep": row.classifier_keep,
            "rewind_epoch": round(settings.epochs / 10) if row.start_from == REWOUND else None,
            "rounding": "exact",
            "seed": seed,
            "dataset": "digits",
            "data_fingerprint": "912af4aef9cad682",
            "validation_fraction": 0.0,
            "image_size": None,
            "recipe": settings,
            "replicas": 1,
            "threads": 2,
            "export": (),
            "sanity_check": check,
            **({"samples_per_class": 10, "scoring_batches": 1} if method in ("snip", "grasp", "obd") else {}),
            **({"augment_scoring": False} if method in ("snip", "grasp", "obd") else {}),
            **fields,
        }
    )


def write(
    directory,
    accuracy=0.97,
    *,
    settings=None,
    result=(),
    collapsed=(),
    decay=0.55,
    density=None,
    curve=(),
    scale=ACCURACY,
    **choices,
):
    """Writes a finished run of `settings`, by default those of the `choices`.

    `result` overrides fields, `collapsed` names layers of which nothing is kept, `density` is the one
    that is reached where that is not the one asked for, and `curve` the accuracies of its epochs. With a
    `scale`, `accuracy` and `curve` are numbers of its metric.
    """
    settings = settings or config(**choices)
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True)
    layers = _layers(settings, collapsed, decay, 1 - settings.sparsity if density is None else density)
    kept, total = (sum(layer[name] for layer in layers) for name in ("kept", "total"))
    on_path = sum(layer["on_path"] for layer in layers)
    uses = [use for _, _, use in LAYERS]
    row = settings.row
    own_pretraining = row.pretrains and settings.sanity_check in DATA_CHECKS
    dense = {("pretraining_test_accuracy" if own_pretraining else "dense_test_accuracy"): _dense(settings)}
    dense = {name.replace("accuracy", scale.metric): value for name, value in dense.items()}
    numbers = {
        **scale.record,
        "method": settings.method,
        "sparsity": settings.sparsity,
        "achieved_sparsity": 1 - kept / total,
        "kept": kept,
        "total": total,
        "effective_sparsity": 1 - on_path / total,
        "collapsed": f"collapsed layers, of which nothing is left: {', '.join(collapsed)}"
        if collapsed
        else None,
        "layers": layers,
        "notes": [],
        "sanity_check": settings.sanity_check,
        f"chance_{scale.metric}": 0.1028,
        scale.name_on_test: accuracy,
        f"best_{scale.name_on_test}": accuracy,
        "test_loss": 0.1,
        "macs": sum(layer["total"] * use for layer, use in zip(layers, uses, strict=True)),
        "macs_kept": sum(layer["kept"] * use for layer, use in zip(layers, uses, strict=True)),
        "nonzero": kept,
        "compressed_bytes": 5 * kept,
        "weights_sha256": hashlib.sha256(ascii((settings, accuracy)).encode()).hexdigest(),
        **(dense if row.pretrains else {}),
        "seconds": {
            **({"dense": 25.0 + settings.seed} if row.pretrains else {}),
            "ticket": 0.2,
            "retrain": 0.0 if row.schedule == "none" else 24.0 + settings.seed,
            "evaluate": 1.0,
        },
        "seed": settings.seed,
        "config": settings.to_json(),
        "versions": {"python": "3.11.7", "tf_tickets": "0.1.0", "tensorflow": "2.21.0", "keras": "3.15.1"},
        "hardware": {"machine": "x86_64", "cores": 2, "threads": 2, "gpus": 0, "replicas": 1},
        **dict(result),
    }
    for name, value in (
        ("config.json", settings.identity),
        ("stages.json", {"ticket": {"seconds": 0.2, "sha256": "0" * 64, "outputs": []}}),
        ("result.json", numbers),
    ):
        (directory / name).write_text(json.dumps(value))
    if curve:
        rows = [
            {"epoch": epoch, "loss": 2.0 / (1 + epoch), scale.name_on_test: reached}
            for epoch, reached in enumerate(curve)
        ]
        (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory


def edit(directory, file="result.json", **fields):
    """Overrides fields of a run's JSON file; None takes them out."""
    path = pathlib.Path(directory) / file
    value = {**json.loads(path.read_text()), **fields}
    gone = {name for name, inner in fields.items() if inner is None}
    path.write_text(json.dumps({name: inner for name, inner in value.items() if name not in gone}))


# Made-up truths: accuracy at 98 %, what each further halving of the weights costs, the spread over seeds.
TRUTHS = {
    "random": (0.962, 0.030, 0.007),
    "uniform": (0.870, 0.250, 0.030),
    "snip": (0.966, 0.022, 0.007),
    "grasp": (0.965, 0.026, 0.007),
    "synflow": (0.972, 0.012, 0.005),
    "lt": (0.968, 0.026, 0.008),
    "lr_rewinding": (0.978, 0.010, 0.004),
    "hybrid": (0.979, 0.008, 0.004),
}
INITIAL = ("corrupted", "rearrange", "reinitialize", "rearrange+reinitialize", "invert")
TRAINED = ("random_labels", "corrupted", "half_dataset", "rearrange", "shuffle_weights", "reinitialize")
COSTS = {"reinitialize": 0.002, "invert": 0.6}
TRAINED_COSTS = {"random_labels": 0.015, "corrupted": 0.02, "half_dataset": 0.006, "rearrange": 0.02}
TRAINED_COSTS.update(shuffle_weights=0.018, reinitialize=0.019)


def paper(folder, *, sparsities=(0.98, 0.99, 0.995), seeds=10, methods=tuple(TRUTHS), checks=True, **choices):
    """A folder of runs like those of the paper's questions, with made-up numbers."""
    rng = random.Random(0)
    folder = pathlib.Path(folder)
    for seed in range(seeds):
        write(
            folder / f"dense-{seed}", _dense(config("dense", seed=seed)), method="dense", seed=seed, **choices
        )
        long = {**dict(choices.get("recipe", ())), "epochs": 60}
        rest = {name: value for name, value in choices.items() if name != "recipe"}
        write(
            folder / f"long-{seed}",
            min(1.0, 0.988 + rng.gauss(0, 0.003)),
            method="dense",
            seed=seed,
            recipe=long,
            **rest,
        )
        for method in methods:
            base, cost, spread = TRUTHS[method]
            trained = METHODS[method].start_from != INIT
            own = (TRAINED if trained else INITIAL) if METHODS[method].score != "random" and checks else ()
            for number, sparsity in enumerate(sparsities):
                truth = base - cost * number
                of_seed = rng.gauss(0, spread)
                for check in (None, *own):
                    costs = TRAINED_COSTS if trained else COSTS
                    drop = costs.get(check, 0.0) * (1 + number / 2)
                    fell = (method == "lt" and check == "invert") or (truth - drop) < 0.3
                    accuracy = 0.1028 if fell else truth - drop + of_seed + rng.gauss(0, spread)
                    collapsed = ("stage3_block1_conv2/kernel",) if fell else ()
                    write(
                        folder / f"{method}-{sparsity}-{check}-{seed}",
                        round(min(1.0, max(0.09, accuracy)) * 360) / 360,
                        collapsed=collapsed,
                        decay={"uniform": 0.0, "snip": 0.7, "synflow": 0.45, "lt": 0.8}.get(method, 0.55),
                        method=method,
                        sparsity=sparsity,
                        seed=seed,
                        check=check,
                        **choices,
                    )
    return folder


def start_sparse(folder, *, seeds=3, sparsities=(0.95, 0.98), methods=("gmp", "rigl"), **choices):
    """A folder of searches, from the dense network and inside a source mask, with made-up numbers."""
    rng = random.Random(1)
    folder = pathlib.Path(folder)
    for seed in range(seeds):
        for source in ({}, SOURCE):
            for method in methods:
                for sparsity in sparsities:
                    write(
                        folder / f"{method}-{sparsity}-{len(source)}-{seed}",
                        round(0.96 + rng.gauss(0, 0.005), 4),
                        method=method,
                        sparsity=sparsity,
                        seed=seed,
                        result={"training_cost": (6.0 if source else 9.0) + rng.random()},
                        search_options={"frequency": 20},
                        **source,
                        **choices,
                    )
            found = 0.06 + 0.01 * rng.random()
            write(
                folder / f"str-{len(source)}-{seed}",
                round(0.955 + rng.gauss(0, 0.005), 4),
                method="str",
                sparsity=0.7 if source else 0.0,
                density=found,
                seed=seed,
                result={"training_cost": 12.0},
                **source,
                **choices,
            )
    return folder


def _dense(settings):
    return round((0.984 + random.Random(settings.seed).gauss(0, 0.004)) * 360) / 360


def _layers(settings, collapsed, decay, density):
    shapes = [(name, list(shape)) for name, shape, _ in LAYERS]
    sizes = [_size(shape) for _, shape in shapes]
    weights = [
        0.0 if name in collapsed else size * (1 + position) ** -(4 * decay)
        for position, ((name, _), size) in enumerate(zip(shapes, sizes, strict=True))
    ]
    budget = round(sum(sizes) * density)
    kept = [
        min(size, round(budget * weight / sum(weights))) for size, weight in zip(sizes, weights, strict=True)
    ]
    # What full layers cannot hold goes to the others.
    for position, (size, weight) in enumerate(zip(sizes, weights, strict=True)):
        kept[position] += min(size - kept[position], max(0, budget - sum(kept))) if weight else 0
    if not METHODS[settings.method].prunes:
        kept = sizes
    return [
        {"name": name, "shape": shape, "kept": count, "total": size, "on_path": max(0, count - count // 20)}
        for (name, shape), count, size in zip(shapes, kept, sizes, strict=True)
    ]


def _size(shape):
    size = 1
    for side in shape:
        size *= side
    return size


# Made-up bytes and milliseconds of each way to ship a network, as parts of those of Keras's export.
SHIPPED = {
    "Keras's export": (1.0, 1.0),
    "folded dense": (1.0, 0.8),
    "compact": (0.2, 0.5),
    "sparse": (0.05, 0.3),
    "LiteRT": (0.04, 0.35),
    "LiteRT int8": (0.03, 0.12),
    "ONNX": (0.3, 0.4),
    "OpenVINO": (0.3, 0.33),
}


def deployment(accuracy, machine="AMD EPYC", batch=32, ways=tuple(SHIPPED), pace=1.0):
    """What result.json says of a deployment: that of a network whose speed is a part of the usual."""
    rows = []
    for way in ways:
        size, time = SHIPPED[way]
        spread = {
            name: 10 * time * pace * factor for name, factor in (("median", 1), ("low", 0.9), ("high", 1.1))
        }
        rows.append(
            {
                "name": way,
                "bytes": round(2e6 * size * pace),
                "cpu": spread,
                "wall": spread,
                "faster": 1 / time,
                "faster_than_folded": 0.8 / time,
                "error": 1e-7,
                "accuracy": None if accuracy is None else accuracy - 0.01 * (way == "LiteRT int8"),
                "notes": [],
            }
        )
    return {
        "model": "resnet20",
        "batch": batch,
        "threads": 1,
        "machine": machine,
        "versions": {"tensorflow": "2.21.0"},
        "sparsity": 0.98,
        "channels": [100, 700],
        "macs": [10_000_000, 4_000_000],
        "accuracy": accuracy,
        "metric": "test accuracy",
        "rows": rows,
        "left_out": {},
        "notes": [],
    }
