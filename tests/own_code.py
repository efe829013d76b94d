"""What a user of the package has: a model, a dataset, a score and a ratio rule, in a file of forty lines."""

TEXT = """
import keras
import numpy as np


def net(input_shape, num_classes, seed):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Flatten(),
            keras.layers.Dense(24, "relu"),
            keras.layers.Dense(16, "relu"),
            keras.layers.Dense(num_classes),
        ]
    )


def rings():
    r = np.random.default_rng(0)
    x = r.normal(size=(400, 6))
    y = np.where(np.linalg.norm(x, axis=1) > 2.3, "far", "near")
    return (x[:300], y[:300]), (x[300:], y[300:])


def large(model, batches, rng):
    import tf_tickets as tt

    return [np.abs(entry.weight.numpy()) for entry in tt.layers.prunable_weights(model)]


def halving(shapes):
    return [0.5**position for position, _ in enumerate(shapes)]


if __name__ == "__main__":
    raise SystemExit("it is imported, not run")
"""


def write(folder):
    """Writes the file; returns its path."""
    path = folder / "mine.py"
    path.write_text(TEXT)
    return path
