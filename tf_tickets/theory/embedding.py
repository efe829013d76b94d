"""A trained target network found inside a wider random one: masks and weights with the target's output."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from tf_tickets.layers import masked_class, masked_weights, set_masks
from tf_tickets.support.numbers import check_whole
from tf_tickets.support.random_streams import stream
from tf_tickets.support.short_reprs import short_fields
from tf_tickets.theory.arguments import check_chance, check_counts, check_densities, check_finite
from tf_tickets.theory.target import Block, Chain, read_chain
from tf_tickets.theory.widths import SourceWidths, er_widths


@dataclasses.dataclass(frozen=True, eq=False)
class Embedding:
    """What `embed_target` found. Layers of the source are counted from 0, the layer that copies the inputs.

    Attributes:
        target: the model that was given.
        densities: of the source's random masks, one for each layer.
        widths: width factors and widths of the source.
        source_masks: the random masks, bool, each in the shape of its kernel.
        complete: for each layer, bool of shape (neurons of the target, copies of each): whether the copy has
            an edge for each connection of its neuron, from complete copies.
        masks: the sub-network: bool, nowhere true where the source's are not. Empty without success.
        kernels: its weights, zero outside the masks. Empty without success.
        biases: its biases. Empty without success.
        failure: why there is no such sub-network; empty with success.
    """

    target: keras.Model
    densities: tuple[float, ...]
    widths: SourceWidths
    source_masks: tuple[np.ndarray, ...]
    complete: tuple[np.ndarray, ...]
    masks: tuple[np.ndarray, ...] = ()
    kernels: tuple[np.ndarray, ...] = ()
    biases: tuple[np.ndarray, ...] = ()
    failure: str = ""

    __repr__ = short_fields

    @property
    def success(self) -> bool:
        """Whether the source holds the target: every output is complete."""
        return not self.failure

    @property
    def every_copy_is_complete(self) -> bool:
        """The event whose probability the widths bound: no copy after layer 0 lacks an edge.

        It is enough for success, and not necessary: copies that lack an edge are passed over.
        """
        return all(bool(copies.all()) for copies in self.complete[1:])

    @property
    def source_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the source's kernels."""
        return tuple(mask.shape for mask in self.source_masks)

    def build(self) -> keras.Model:
        """Makes the sub-network: a model of masked layers in the source's shapes, with the target's output.

        Returns:
            A functional model; `tf_tickets.fold` makes plain layers of its masked ones.

        Raises:
            ValueError: there is none, as `failure` says.
        """
        if not self.success:
            raise ValueError(
                f"This source does not hold the target: {self.failure}. Draw another one (seed), or a wider "
                "one (a smaller delta, or larger factors)."
            )
        chain = read_chain(self.target)
        inputs = keras.Input(self.target.inputs[0].shape[1:], dtype=self.target.inputs[0].dtype)
        x = _copies_of(chain.before, inputs)
        x = _copying_layer(chain.blocks[0], self.masks[0].shape[-1])(x)
        for block, mask in zip(chain.blocks, self.masks[1:], strict=True):
            x = _widened(block, mask.shape[-1])(x)
            x = _copies_of(block.after, x)
        model = keras.Model(inputs, x, name=f"{self.target.name}_in_random_source")
        entries = masked_weights(model)
        set_masks(entries, self.masks)
        for entry, kernel, bias in zip(entries, self.kernels, self.biases, strict=True):
            entry.weight.assign(kernel)
            entry.layer.bias.assign(bias)
        return model


def embed_target(
    target: keras.Model,
    density: float | Sequence[float],
    delta: float = 0.1,
    seed: int = 0,
    lowest: float = 0.0,
    factors: Sequence[int] | None = None,
    max_weights: int = 100_000_000,
) -> Embedding:
    """Draws a random source and finds in it a sub-network with the output of a trained target.

    The source is one layer deeper than the target. Its masks are Bernoulli draws; its widths are those with
    which they hold the target with probability 1 - delta (`er_widths`, from the target's nonzero weights).
    Layer 0 copies every input, every neuron of the target has several copies, and of the edges that the masks
    left one is chosen for each connection: see docs/theory.md. Only what the outputs need is kept.

    Args:
        target: a built Sequential or functional chain of Dense, Conv1D, Conv2D and Conv3D layers, masked or
            not, with flattening, pooling, padding, dropout and elementwise activations between them. Before
            the first and after the last layer with weights any layers without weights may stand.
        density: share of weights that the source's mask keeps, in (0, 1]; a number, or one for each of its
            layers, that of the copies first.
        delta: chance of failure allowed, in (0, 1). Defaults to 0.1. Not used where factors are given.
        seed: of the masks. Defaults to 0.
        lowest: no value that reaches the first layer with weights is below it. A negative one is added to
            copies as a bias, so that ReLU leaves them as they are, and taken back in the next layer's. How
            large values get does not matter. Defaults to 0.
        factors: copies of each input and of each neuron of the hidden layers, instead of those required.
        max_weights: the largest source to draw. Defaults to 100 million.

    Returns:
        An Embedding, whether or not the source holds the target.

    Raises:
        TypeError: the target is no Keras model.
        ValueError: it is no such chain, an argument is out of its range, or the source would be too large.

    Reference:

    - [Gadhikar et al., 2023](https://arxiv.org/abs/2210.02412)

    Example:
        >>> embedding = tt.theory.embed_target(model, density=0.5, seed=1)
        >>> ticket = embedding.build()
        >>> np.abs(ticket.predict(x) - model.predict(x)).max()
    """
    chain = read_chain(target)
    depth = len(chain.blocks)
    densities = check_densities(density, depth + 1)
    widths = er_widths(chain.arch, densities, check_chance(delta), chain.connections)
    if factors is not None:
        copies = check_counts(factors, "factors", depth)
        sizes = [copy * size for copy, size in zip((*copies, 1), chain.arch, strict=True)]
        widths = SourceWidths(factors=(*copies, 1), widths=(chain.arch[0], *sizes))
    shift = min(check_finite(lowest, "lowest"), 0.0)
    first = chain.blocks[0].layer
    if shift and getattr(first, "padding", "valid") != "valid":
        raise ValueError(
            f"Layer '{first.name}' pads its input with zeros, and copies of inputs down to lowest={lowest:g} "
            "are shifted. Give the target inputs that are not negative, and lowest=0."
        )
    shapes = _source_shapes(chain, widths)
    _check_room(shapes, widths, check_whole("max_weights", max_weights, 1))
    rng = stream(seed, "mask", "theory/embedding")
    source = tuple(
        rng.random(shape, dtype=np.float32) < kept for shape, kept in zip(shapes, densities, strict=True)
    )
    complete = _complete_copies(chain, widths, source)
    found = Embedding(target, densities, widths, source, complete, failure=_failure(chain, complete))
    if not found.success:
        return found
    masks, kernels, biases = _chosen(chain, widths, source, complete, shift)
    return dataclasses.replace(found, masks=masks, kernels=kernels, biases=biases)


def _source_shapes(chain: Chain, widths: SourceWidths) -> list[tuple[int, ...]]:
    """Kernel shapes of the source; copies of a neuron lie beside each other."""
    kernels = [block.kernel.shape for block in chain.blocks]
    space = tuple(1 for _ in kernels[0][:-2])
    factors = widths.factors
    return [
        (*space, widths.widths[0], widths.widths[1]),
        *(
            (*shape[:-2], shape[-2] * before, shape[-1] * after)
            for shape, before, after in zip(kernels, factors, factors[1:], strict=False)
        ),
    ]


def _check_room(shapes: Sequence[tuple[int, ...]], widths: SourceWidths, most: int) -> None:
    total = sum(int(np.prod(shape, dtype=object)) for shape in shapes)
    if total > most:
        raise ValueError(
            f"The source would have widths {widths.widths} and {total:,} weights, more than "
            f"max_weights={most:,}. A higher density, a larger delta or a target with fewer nonzero weights "
            "takes a narrower one."
        )


def _complete_copies(
    chain: Chain, widths: SourceWidths, source: Sequence[np.ndarray]
) -> tuple[np.ndarray, ...]:
    """For each layer of the source which copies have all their edges, from copies that have all theirs."""
    inputs, copies = widths.widths[0], widths.factors[0]
    own = np.arange(inputs)
    found = [source[0].reshape(inputs, inputs, copies)[own, own]]
    for block, mask, after in zip(chain.blocks, source[1:], widths.factors[1:], strict=True):
        reached = _usable(block, mask, found[-1], after).any(axis=2)
        needed = _flat(block.kernel) != 0
        found.append((reached | ~needed[..., np.newaxis]).all(axis=(0, 1)))
    return tuple(found)


def _chosen(
    chain: Chain,
    widths: SourceWidths,
    source: Sequence[np.ndarray],
    complete: Sequence[np.ndarray],
    shift: float,
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Masks, kernels and biases of the sub-network, chosen from the outputs back to the inputs."""
    masks: list[np.ndarray] = []
    kernels: list[np.ndarray] = []
    biases: list[np.ndarray] = []
    wanted = complete[-1]
    for layer in range(len(chain.blocks), 0, -1):
        block, mask, before = chain.blocks[layer - 1], source[layer], complete[layer - 1]
        weights = _flat(block.kernel)
        usable = _usable(block, mask, before, wanted.shape[1])
        connections = np.nonzero((weights != 0)[..., np.newaxis] & wanted)
        places, sources, neurons, copies = connections
        edges = np.zeros(usable.shape, bool)
        # The first complete copy of a source rather than any, so that few copies are wanted.
        edges[places, sources, usable.argmax(axis=2)[connections], neurons, copies] = True
        kernel = np.where(edges, weights[:, :, np.newaxis, :, np.newaxis], weights.dtype.type(0))
        bias = block.bias.astype(np.float64)
        if layer == 1:
            bias = bias + shift * weights.sum(axis=(0, 1), dtype=np.float64)
        masks.insert(0, edges.reshape(mask.shape))
        kernels.insert(0, kernel.reshape(mask.shape))
        biases.insert(0, np.where(wanted, bias[:, np.newaxis], 0.0).ravel().astype(block.bias.dtype))
        # After a flattening a channel's copy is wanted if it is at any place.
        wanted = np.any(np.any(edges, axis=(0, 3, 4)).reshape(-1, *before.shape), axis=0)
    inputs = widths.widths[0]
    copying = np.zeros((inputs, *wanted.shape), bool)
    copying[np.arange(inputs), np.arange(inputs)] = wanted
    masks.insert(0, copying.reshape(source[0].shape))
    dtype = chain.blocks[0].kernel.dtype
    kernels.insert(0, masks[0].astype(dtype))
    biases.insert(0, np.where(wanted, -shift, 0.0).ravel().astype(dtype))
    return tuple(masks), tuple(kernels), tuple(biases)


def _usable(block: Block, mask: np.ndarray, before: np.ndarray, copies: int) -> np.ndarray:
    """Edges from complete copies: bool of shape (places, inputs, their copies, neurons, their copies)."""
    inputs, neurons = block.kernel.shape[-2:]
    # Behind a flattening every channel stands once for each place, its copies beside each other.
    complete = np.tile(before, (inputs // before.shape[0], 1))
    edges = mask.reshape(-1, inputs, before.shape[1], neurons, copies)
    return edges & complete[np.newaxis, :, :, np.newaxis, np.newaxis]


def _flat(kernel: np.ndarray) -> np.ndarray:
    """The kernel with its places on one axis: (places, inputs, neurons)."""
    return kernel.reshape(-1, *kernel.shape[-2:])


def _failure(chain: Chain, complete: Sequence[np.ndarray]) -> str:
    """Where the source gives out first; nothing if every output is complete."""
    if complete[-1].all():
        return ""
    inputs = int((~complete[0].any(axis=1)).sum())
    if inputs:
        return f"{inputs} of {complete[0].shape[0]} inputs have no copy with an edge"
    return next(
        f"in layer '{block.layer.name}' {lost} of {copies.shape[0]} neurons have no copy with an edge for "
        "each connection"
        for block, copies in zip(chain.blocks, complete[1:], strict=True)
        if (lost := int((~copies.any(axis=1)).sum()))
    )


def _copying_layer(first: Block, units: int) -> keras.Layer:
    """Layer 0: every neuron reads one input (of a convolution, one channel at one place)."""
    size = (units, 1) if "kernel_size" in first.form else (units,)
    policy = first.layer.dtype_policy
    return masked_class(first.stock)(*size, activation="relu", dtype=policy, name="copies_of_inputs")


def _widened(block: Block, units: int) -> keras.Layer:
    """A masked layer of the target's form with the source's width."""
    layer = block.layer
    return masked_class(block.stock)(
        units, activation=layer.activation, dtype=layer.dtype_policy, name=layer.name, **block.form
    )


def _copies_of(layers: Sequence[keras.Layer], x: keras.KerasTensor) -> keras.KerasTensor:
    """Applies fresh copies of layers without weights."""
    for layer in layers:
        x = type(layer).from_config(layer.get_config())(x)
    return x
