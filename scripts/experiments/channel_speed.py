"""What half of a ResNet20's channels is worth on each runtime: processor milliseconds, dense beside pruned.

    python scripts/experiments/channel_speed.py 0.5 8x8x1 initial
    python scripts/experiments/channel_speed.py 1.0 32x32x3 trained

Arguments are the width of the network, the shape of its images, and what is pruned: an initial network, or
one that was trained before. What is left of a removed channel is nothing there, and here the constant that
its normalisation gives. Of a training only this is needed, so normalisation has seen noise, before it is
pruned or after. It is folded; all exports take turns, on one thread; ratios are medians over the rounds.
"""

import contextlib
import pathlib
import tempfile
from collections.abc import Sequence

import keras
import numpy as np
from absl import app

import tf_tickets as tt
from tf_tickets.deployments.deployed import Spread
from tf_tickets.deployments.shipping import Shipment
from tf_tickets.deployments.timing import faster, interleaved, timekeeper_of
from tf_tickets.deployments.ways import WAYS
from tf_tickets.exporting import FORMATS
from tf_tickets.exporting.samples import named_inputs

BATCH, RUNTIMES = 32, ("compact", "LiteRT", "ONNX", "OpenVINO")
KINDS = ("initial", "trained")


def network(width: float, images: np.ndarray, kind: str, *, pruned: bool) -> keras.Model:
    """A ResNet20 with all of its channels, or with half of those that can go."""
    model = tt.models.build("resnet20", images.shape[1:], 10, seed=0, width=width)

    def calibrate() -> None:
        for _ in range(20):
            model(images, training=True)

    if kind == "trained":
        calibrate()
    if pruned:
        tt.prune(model, "magnitude", 0.5, pattern="channel", ratios="uniform")
    if kind == "initial":
        calibrate()
    return tt.fold(model)


def main(argv: Sequence[str]) -> None:
    """Prints a line for each runtime."""
    _, width, shape, kind = argv
    if kind not in KINDS:
        raise app.UsageError(f"pruned is one of {', '.join(KINDS)}. Received: {kind!r}")
    size = (BATCH, *(int(number) for number in shape.split("x")))
    images = np.random.default_rng(0).normal(size=size).astype("float32")
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        timekeepers = {}
        for pruned in (False, True):
            shipment = Shipment(network(float(width), images, kind, pruned=pruned), BATCH, None)
            inputs = named_inputs(shipment.model, images)
            for runtime in RUNTIMES:
                way = WAYS[runtime]
                path = folder / f"{runtime} {pruned}" / FORMATS[way.format].file
                way.write(shipment, path)
                timekeepers[runtime, pruned] = stack.enter_context(timekeeper_of(way.format, path, inputs))
        times = interleaved(timekeepers)
        done = shipment.compact.compaction
    print(f"multiply-adds {done.macs[1] / done.macs[0]:.0%}, channels for constants: {done.carriers}")
    for runtime in RUNTIMES:
        dense, channel = times[runtime, False], times[runtime, True]
        print(
            f"{runtime}: {Spread.of(dense.cpu).median:.2f} -> {Spread.of(channel.cpu).median:.2f} ms, "
            f"{faster(channel, dense):.2f} times as fast"
        )


if __name__ == "__main__":
    app.run(main)
