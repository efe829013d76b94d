"""How wide a random source must be so that it holds a target network."""

import dataclasses
import itertools
import math
from collections.abc import Sequence

from tf_tickets.support.numbers import check_whole
from tf_tickets.theory.arguments import (
    check_chance,
    check_counts,
    check_densities,
    check_density,
)


@dataclasses.dataclass(frozen=True)
class SourceWidths:
    """Widths of a source of depth L + 1 for a target of depth L.

    Attributes:
        factors: q_0, ..., q_L: copies of each input, then of each neuron of the target's layers; q_L is 1.
        widths: the inputs, then the neurons (for convolutions the channels) of each layer of the source.
    """

    factors: tuple[int, ...]
    widths: tuple[int, ...]


def required_width_factor(
    density: float, connections: int, next_factor: int, delta: float, depth: int
) -> float:
    """How many copies of each neuron of a layer make the next layer's connections likely (a real number).

    q_l = log(L m_{l+1} q_{l+1} / delta) / log(1 / (1 - p_{l+1})), and 1 at least. With so many copies of each
    neuron of layer l, rounded up, every one of the q_{l+1} copies of each neuron of layer l + 1 finds an edge
    for each of its connections, except with a probability of delta / L at most.

    Args:
        density: p_{l+1}, the share of edges between the two layers that the random mask keeps. For the
            copies of the inputs (l = 0) the edge into the copy is random as well: the density to give is that
            of the path, p_0 p_1.
        connections: m_{l+1}, the nonzero weights of the target's layer l + 1.
        next_factor: q_{l+1}, copies of each neuron of layer l + 1; 1 for the outputs.
        delta: chance of failure allowed for the whole network.
        depth: L, the layers with weights of the target.

    Raises:
        ValueError: an argument is out of its range; names it.

    Reference:

    - [Gadhikar et al., 2023](https://arxiv.org/abs/2210.02412) (docs/theory.md has the proof)

    Example:
        >>> tt.theory.required_width_factor(0.5, connections=18, next_factor=1, delta=0.1, depth=3)
        9.076815597050832
    """
    density = check_density(density)
    connections = check_whole("connections", connections, 0)
    events = check_whole("depth", depth, 1) * connections * check_whole("next_factor", next_factor, 1)
    delta = check_chance(delta)
    if not events or density == 1:
        return 1.0
    return max(1.0, math.log(events / delta) / -math.log1p(-density))


def er_widths(
    arch: Sequence[int],
    density: float | Sequence[float],
    delta: float,
    connections: Sequence[int] | None = None,
) -> SourceWidths:
    """Widths with which a random source holds any target of the given shape, with probability 1 - delta.

    Worked out layer by layer from the end by `required_width_factor`, each factor rounded up. The factor of
    the inputs uses the density p_0 p_1 of a path through a copy.

    Args:
        arch: the target's inputs, then the neurons of each of its L layers, such as `(5, 8, 6, 3)`.
        density: share of weights that the source's mask keeps; a number, or one for each of the source's
            L + 1 layers, the layer of copies first.
        delta: chance of failure allowed.
        connections: nonzero weights of each of the target's L layers. Defaults to all of dense layers; of a
            convolution it is the number of nonzero entries of the kernel.

    Returns:
        SourceWidths.

    Raises:
        ValueError: an argument is out of its range or of a wrong length; names it.

    Example:
        >>> tt.theory.er_widths((5, 8, 6, 3), density=0.5, delta=0.1)
        SourceWidths(factors=(34, 14, 10, 1), widths=(5, 170, 112, 60, 3))
    """
    if isinstance(arch, (str, bytes)) or not hasattr(arch, "__len__") or len(arch) < 2:
        raise ValueError(
            f"arch lists the target's inputs and the neurons of each of its layers. Received: {arch!r}"
        )
    sizes = check_counts(arch, "arch", len(arch))
    depth = len(sizes) - 1
    densities = check_densities(density, depth + 1)
    if connections is None:
        connections = [above * below for above, below in itertools.pairwise(sizes)]
    connections = check_counts(connections, "connections", depth, least=0)
    paths = (densities[0] * densities[1], *densities[2:])
    factors = [1]
    for path, count in zip(reversed(paths), reversed(connections), strict=True):
        factors.insert(0, math.ceil(required_width_factor(path, count, factors[0], delta, depth)))
    copies = (factor * size for factor, size in zip(factors, sizes, strict=True))
    return SourceWidths(factors=tuple(factors), widths=(sizes[0], *copies))
