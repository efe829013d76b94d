"""Rows of tables that a user of the package has made: a method, a search, a check, a schedule, callbacks."""

TEXT = """
import json

import keras
import numpy as np

import tf_tickets as tt
from tf_tickets.methods.searches import Search
from tf_tickets.sanity import Check


def large(model, batches, rng):
    return [np.abs(entry.weight.numpy()) for entry in tt.layers.prunable_weights(model)]


rewound = tt.Method(
    score=large, ratios="erk", scored_at="trained", start_from="init", schedule="full", about="large ones win"
)


def growing(plan, until, frequency):
    return [
        tt.callbacks.GradualMagnitudePruning(
            plan.sparsity, end_step=round(until * plan.steps), frequency=frequency, source=plan.source
        )
    ]


searched = tt.Method(
    score="magnitude",
    ratios="global",
    scored_at="init",
    start_from="init",
    schedule="full",
    search=Search(options={"until": 0.5, "frequency": 5}, library="fit with it", callbacks=growing),
    about="masks of its own",
)


def turned(masks, seed, within):
    return [mask[::-1].copy() for mask in masks]


upside_down = Check(about="turns the masks upside down", asks="which is up", place="ticket", masks=turned)


def slow_start(epoch, epochs, learning_rate):
    return learning_rate * (epoch + 1) / epochs


def text(epoch, epochs, learning_rate):
    return "fast"


def broken(input_shape, num_classes, seed):
    raise KeyError("lost")


class Listener(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        with open("heard.jsonl", "a") as file:
            row = {"training": self.params["training"], "epoch": epoch, "loss": logs["loss"]}
            file.write(json.dumps(row) + chr(10))


def stop_early():
    return keras.callbacks.EarlyStopping(monitor="loss", mode="max", patience=0)
"""


def write(folder):
    """Writes the file; returns its path."""
    path = folder / "rows.py"
    path.write_text(TEXT)
    return path
