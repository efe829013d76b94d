"""Recurrent layers without the fused kernels that a GPU has for them."""

import contextlib
from collections.abc import Iterator, Sequence

import keras


@contextlib.contextmanager
def unfused(layers: Sequence[keras.Layer]) -> Iterator[None]:
    """For the duration, recurrent layers call their cells step by step, on a GPU too.

    A fused kernel has no second derivative, and knows nothing of what stands in for the call of a cell.
    """
    with contextlib.ExitStack() as stack:
        for layer in layers:
            if "use_cudnn" in layer.__dict__:
                stack.callback(object.__setattr__, layer, "use_cudnn", layer.use_cudnn)
                object.__setattr__(layer, "use_cudnn", False)
        yield
