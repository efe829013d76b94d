"""Peak memory and time of what is done to a model of a hundred million weights, step by step, in one process.

    python scripts/experiments/large_models.py gpt2 magnitude fold
    python scripts/experiments/large_models.py vit snip magnitude train

Models are KerasHub's, of random weights: GPT-2 with 124 million, ViT-B with 86 million. The peak is
that of the resident memory during a step, less what the process had before, plus the weights, as a multiple
of these. Seconds are those of the wall clock and of the processor. It needs Linux's /proc.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import keras_hub
import numpy as np
from absl import app

import tf_tickets as tt

TOKENS, EXAMPLES, SPARSITY = 64, 2, 0.9


def gpt2() -> tuple[keras.Model, Any, np.ndarray]:
    """A language model, a batch of tokens, and the tokens that follow."""
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=50257, num_layers=12, num_heads=12, hidden_dim=768, intermediate_dim=3072,
        max_sequence_length=1024, dropout=0.0,
    )  # fmt: skip
    tokens = np.random.default_rng(0).integers(0, 50257, (EXAMPLES, TOKENS + 1)).astype("int32")
    x = {"token_ids": tokens[:, :-1], "padding_mask": np.ones((EXAMPLES, TOKENS), "int32")}
    return keras_hub.models.GPT2CausalLM(backbone, preprocessor=None), x, tokens[:, 1:]


def vit() -> tuple[keras.Model, Any, np.ndarray]:
    """A classifier of images, a batch of them, and their classes."""
    backbone = keras_hub.models.ViTBackbone(
        image_shape=(224, 224, 3),
        patch_size=(16, 16),
        num_layers=12,
        num_heads=12,
        hidden_dim=768,
        mlp_dim=3072,
    )
    x = np.random.default_rng(0).random((EXAMPLES, 224, 224, 3), "float32")
    model = keras_hub.models.ViTImageClassifier(backbone, num_classes=10, preprocessor=None)
    return model, x, np.arange(EXAMPLES)


MODELS = {"gpt2": gpt2, "vit": vit}
STEPS: dict[str, Callable[[keras.Model, Any, np.ndarray], Any]] = {
    **{
        name: lambda model, x, y, name=name: tt.prune(model, name, SPARSITY, data=(x, y))
        for name in ("magnitude", "random", "snip", "grasp")
    },
    "synflow": lambda model, x, y: tt.prune(model, "synflow", SPARSITY, data=(x, y), rounds=3),
    "min_keep": lambda model, x, y: tt.prune(model, "magnitude", SPARSITY, min_keep=100),
    "train": lambda model, x, y: model.train_on_batch(x, y),
    "fold": lambda model, x, y: tt.fold(model),
    "compact": lambda model, x, y: tt.compact(model),
    "ticket": lambda model, x, y: tt.pruning.ticket_of(model, {}).save(tempfile.mkdtemp() + "/ticket.npz"),
    "export": lambda model, x, y: tt.export(model, tempfile.mkdtemp() + "/exported", allow_dense=True),
}


def status(key: str) -> float:
    """A line of /proc/self/status, in MiB."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024


def measured(step: Callable[[], Any], weights: float) -> str:
    """What a step takes, in words."""
    before, wall, cpu = status("VmRSS"), time.monotonic(), time.process_time()
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak begins anew
    step()
    peak, after = (1 + (status(key) - before) / weights for key in ("VmHWM", "VmRSS"))
    seconds = f"{time.monotonic() - wall:.1f} s, {time.process_time() - cpu:.1f} CPU s"
    return f"peak {peak:.2f} times the weights, {after:.2f} afterwards; {seconds}"


def main(argv: Sequence[str]) -> None:
    """Does the steps that are named to the model that is named."""
    name, *steps = argv[1:] or [""]
    if name not in MODELS or not steps or set(steps) - set(STEPS):
        raise app.UsageError(f"Say one of {', '.join(MODELS)}, and some of {', '.join(STEPS)}.")
    keras.utils.set_random_seed(0)
    model, x, y = MODELS[name]()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model(x)
    weights = sum(np.prod(variable.shape) for variable in model.weights) * 4 / 2**20
    print(f"{name}: {model.count_params():,} parameters, {weights:.0f} MiB", flush=True)
    for step in steps:
        told = measured(lambda step=step: STEPS[step](model, x, y), float(weights))
        print(f"{step:10} {told}", flush=True)


if __name__ == "__main__":
    sys.exit(app.run(main))
