"""Attacks on a ticket: other masks in each layer, other places for the kept weights, other weights.

Each keeps what a method may claim to need least: how many weights every layer keeps. `rearranged` is a pure
function of masks; the others act on a model in place.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np

from tf_tickets.layers import Masked, MaskedWeight, check_built, masked_weights, set_masks
from tf_tickets.models.initial_weights import layer_seeds
from tf_tickets.pruning.paths import path_counts
from tf_tickets.pruning.ticket import Ticket
from tf_tickets.support.random_streams import stream

# (shape, dtype) -> values, as Keras calls an initializer.
Draw: TypeAlias = Callable[..., Any]
# An initializer -> the same with a seed of its own.
Anew: TypeAlias = Callable[[Any], Draw]


def rearranged(
    masks: Sequence[np.ndarray], seed: int = 0, within: Sequence[np.ndarray] | None = None
) -> list[np.ndarray]:
    """Permutes each mask within its layer: as many weights are kept of every layer, but other ones.

    Args:
        masks: bool arrays of any shapes, in forward order, such as those of a Ticket. They stay as they are.
        seed: of the permutations. Defaults to `0`.
        within: bool arrays, a source that the masks lie in and do not leave. None: the whole layers.

    Returns:
        List of new bool arrays of the same shapes.

    Raises:
        ValueError: a mask is no bool array.

    Reference:

    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 3: layerwise rearrange
    """
    arrays = [np.asarray(mask) for mask in masks]
    if any(mask.dtype != bool for mask in arrays):
        raise ValueError(f"Masks are bool arrays. Received: {sorted({mask.dtype.name for mask in arrays})}")
    rng = stream(seed, "check", "rearrange")
    if within is None:
        return [rng.permutation(mask.reshape(-1)).reshape(mask.shape) for mask in arrays]
    found = [np.zeros_like(mask) for mask in arrays]
    for new, mask, source in zip(found, arrays, within, strict=True):
        new[source] = rng.permutation(mask[source])
    return found


def rearrange(model: keras.Model, seed: int = 0) -> Ticket:
    """Permutes the masks of a model within each layer, in place. Weights stay where they are.

    So other weights are kept, as many of every layer. What was traced of the model goes by the new masks.

    Args:
        model: a Keras model that carries masks.
        seed: of the permutations. Defaults to `0`.

    Returns:
        The Ticket that the model now carries.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: it carries no masks.

    Example:

    >>> tt.prune(model, "snip", sparsity=0.98, data=(x, y))
    >>> ticket = tt.sanity.rearrange(model, seed=0)

    Reference:

    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 3: layerwise rearrange
    """
    entries = _masked(model, "rearrange")
    masks = tuple(rearranged([np.array(entry.mask) for entry in entries], seed))
    ticket = Ticket(
        masks=masks,
        names=tuple(entry.name for entry in entries),
        origin={"sanity_check": "rearrange", "seed": int(seed)},
        on_path=path_counts(model, masks),
    )
    set_masks(entries, masks)
    return ticket


def shuffle_weights(model: keras.Model, seed: int = 0, spare_classifier: bool = False) -> keras.Model:
    """Permutes the kept weights of each layer among its kept positions, in place. Masks stay.

    What the masks hide, biases and normalisation stay as they are, too.

    Args:
        model: a Keras model that carries masks.
        seed: of the permutations. Defaults to `0`.
        spare_classifier: leave the last masked weight in forward order alone; the others are permuted as
            without it. Defaults to `False`, as in the paper.

    Returns:
        The same model.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: it carries no masks, or only the one that is spared.

    Example:

    >>> tt.prune(model, "lr_rewinding", sparsity=0.98)
    >>> tt.sanity.shuffle_weights(model, seed=0)

    Reference:

    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 3: layerwise weights shuffling
    """
    entries = _masked(model, "shuffle_weights")
    if spare_classifier:
        if len(entries) == 1:
            raise ValueError(
                f"spare_classifier=True leaves nothing to shuffle: '{model.name}' has masked nothing but "
                f"{entries[0].name}."
            )
        entries = entries[:-1]
    rng = stream(seed, "check", "shuffle_weights")
    for entry in entries:
        values, kept = np.array(entry.weight), np.array(entry.mask)
        values[kept] = rng.permutation(values[kept])
        entry.weight.assign(values)
    return model


def reinitialize(model: keras.Model, seed: int = 0) -> keras.Model:
    """Draws all weights anew, as building the model with another seed would, in place. Masks stay.

    Every weight comes from its layer's own initializer, remade with a seed that depends on `seed` and on the
    layer's position; biases and normalisation are reset, too. A masked model gets the weights that it would
    get without masks. By the convention of Keras the initializer of a weight `name` or `_name` is the layer's
    attribute `name_initializer`. Statistics that a `Normalization` layer has of the data stay, and so do the
    optimizer, metrics, and states of random generators.

    Args:
        model: a built Keras model, masked or not.
        seed: of the weights. Defaults to `0`.

    Returns:
        The same model.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: it is not built, or a weight's initializer is not found or has no seed. Nothing is changed
            then.

    Example:

    >>> tt.prune(model, "snip", sparsity=0.98, data=(x, y))
    >>> tt.sanity.reinitialize(model, seed=1)

    Reference:

    - [Frankle et al., 2021](https://arxiv.org/abs/2009.08576), section 4: sampling new initializations
    """
    _check_model(model, "reinitialize")
    check_built(model)
    # All are drawn before any is assigned: a failing initializer of the user's changes nothing.
    drawn = [
        (weight, np.array(draw(tuple(weight.shape), dtype=weight.dtype)))
        for weight, draw in _redraws(model, seed)
    ]
    for weight, values in drawn:
        weight.assign(values)
    return model


def _check_model(model: Any, function: str) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(f"{function} takes a keras.Model. Received: {type(model).__name__}")


def _masked(model: keras.Model, function: str) -> list[MaskedWeight]:
    _check_model(model, function)
    entries = masked_weights(model)
    if not entries:
        raise ValueError(
            f"{function} acts on a ticket, and '{model.name}' carries no masks. Prune it first, or put a "
            "ticket on it: ticket.apply(model)."
        )
    return entries


def _redraws(model: keras.Model, seed: int) -> list[tuple[keras.Variable, Draw]]:
    """Each weight of the model once, with what draws it anew."""
    found: dict[int, tuple[keras.Variable, Draw]] = {}
    missing: dict[int, str] = {}
    seeds = layer_seeds(int(stream(seed, "check", "reinitialize").integers(2**31)))
    owners = ((layer, weights) for layer in model._flatten_layers() if (weights := _own_weights(layer)))
    for (layer, weights), layer_seed in zip(owners, seeds, strict=False):
        # A layer's weights may share an initializer, too.
        for weight, weight_seed in zip(weights, layer_seeds(layer_seed), strict=False):
            draw = _redraw(layer, weight, weight_seed)
            if draw is None:
                missing.setdefault(id(weight), f"{weight.path} of {type(layer).__name__} '{layer.name}'")
            else:
                found.setdefault(id(weight), (weight, draw))
    # A wrapper may hold a weight of the layer that it wraps, which knows the initializer.
    lost = [name for weight, name in missing.items() if weight not in found]
    if lost:
        raise ValueError(
            f"reinitialize does not know how '{model.name}' drew {'; '.join(lost)}. The initializer of a "
            "weight `name` is looked for in the layer's attribute `name_initializer`: set it, for example "
            "layer.w_initializer = 'glorot_uniform'."
        )
    return [(weight, draw) for weight, draw in found.values() if draw is not _stays]


def _own_weights(layer: keras.Layer) -> list[keras.Variable]:
    """Variables that the layer itself holds, but for masks."""
    masks = {id(mask) for mask in layer.masks.values()} if isinstance(layer, Masked) else set()
    own = layer._trainable_variables + layer._non_trainable_variables
    return [variable for variable in own if id(variable) not in masks]


def _redraw(layer: keras.Layer, weight: keras.Variable, seed: int) -> Draw | None:
    """What draws the weight as a new layer would; None where that is not to be found."""
    anew = functools.partial(_reseeded, seed=seed, where=f"{weight.path} of layer '{layer.name}'")
    names = [*_attributes(layer, weight), weight.name]
    for cls in type(layer).__mro__:
        rows = _EXCEPTIONS.get(cls.__name__, {}) if cls.__module__.startswith("keras.") else {}
        for name in (*names, "*"):
            if name in rows:
                return rows[name](layer, anew)
    for name in names:
        # `depthwise_kernel` and `recurrent_kernel` have a `depthwise_initializer`, `recurrent_initializer`.
        for role in (name, name.removesuffix("_kernel")):
            initializer = getattr(layer, f"{role}_initializer", None)
            if initializer is not None:
                return anew(initializer)
    return None


def _attributes(layer: keras.Layer, weight: keras.Variable) -> Iterator[str]:
    """Names of the layer's attributes that are the weight, or a list with it."""
    for name, value in layer.__dict__.items():
        held = value if isinstance(value, (list, tuple)) else (value,)
        # Keras's own lists of all variables say nothing.
        if not name.endswith("_variables") and any(item is weight for item in held):
            yield name.lstrip("_")


def _reseeded(initializer: Any, seed: int, where: str) -> Draw:
    """The initializer with another seed; as it is where it draws nothing."""
    initializer = keras.initializers.get(initializer)
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    if "seed" in config:
        return type(initializer).from_config({**config, "seed": seed})
    if type(initializer).__module__.startswith("keras."):
        return initializer
    raise ValueError(
        f"The initializer of {where} cannot be drawn anew, because it takes no seed. Received: "
        f"{initializer!r}. Use one of keras.initializers, or a subclass of keras.initializers.Initializer "
        "with a seed in its constructor and in its config."
    )


def _stays(*_: Any, **__: Any) -> None:
    """Marks variables that no building draws."""


def _by(attribute: str) -> Callable[[Any, Anew], Draw]:
    return lambda layer, anew: anew(getattr(layer, attribute))


def _always(initializer: Any) -> Callable[[Any, Anew], Draw]:
    return lambda layer, anew: anew(initializer)


def _einsum_kernel(layer: Any, anew: Anew) -> Draw:
    """Fans as the equation says, which the kernel's shape does not."""
    initializer = layer.kernel_initializer
    config = initializer.get_config() if isinstance(initializer, keras.initializers.VarianceScaling) else {}
    # Earlier releases of Keras have no such axes.
    if None not in (config.get("input_axes", ()), config.get("output_axes", ())):
        return anew(initializer)
    operands, outputs = layer.equation.split("->")
    kernel = operands.split(",")[1].strip()
    axes = {
        "input_axes": [axis for axis, letter in enumerate(kernel) if letter not in outputs],
        "output_axes": [axis for axis, letter in enumerate(kernel) if letter in outputs],
    }
    return anew(type(initializer).from_config({**config, **axes}))


def _unit_forget_bias(layer: Any, anew: Anew) -> Draw:
    bias = anew(layer.bias_initializer)
    if not layer.unit_forget_bias:
        return bias

    def draw(shape, dtype):
        units = shape[0] // 4
        parts = bias((units,), dtype=dtype), keras.ops.ones((units,), dtype), bias((2 * units,), dtype=dtype)
        return keras.ops.concatenate(parts)

    return draw


def _moving_stddev(layer: Any, anew: Anew) -> Draw:
    variance = anew(layer.moving_variance_initializer)
    return lambda shape, dtype: keras.ops.sqrt(variance(shape, dtype=dtype))


def _fourier(part: str) -> Callable[[Any, Anew], Draw]:
    return lambda layer, anew: keras.initializers.STFT(part, layer.window, layer.scaling, layer.periodic)


# Keras's own layers that do not follow the convention: class -> weight -> (layer, anew) -> what draws it. By
# name, since Keras does not export all of them. "*" is every weight.
_EXCEPTIONS: dict[str, dict[str, Callable[[Any, Anew], Draw]]] = {
    "AdditiveAttention": {"scale": _always("glorot_uniform")},
    "Attention": {"scale": _always("ones"), "concat_score_weight": _always("ones")},
    "BaseDepthwiseConv": {"kernel": _by("depthwise_initializer")},
    "BatchNormalization": {
        "moving_stddev": _moving_stddev,
        "renorm_mean": _by("moving_mean_initializer"),
        "renorm_stddev": _moving_stddev,
    },
    "ConvLSTMCell": {"bias": _unit_forget_bias},
    "EinsumDense": {"kernel": _einsum_kernel},
    "LSTMCell": {"bias": _unit_forget_bias},
    # Of ConvNeXt.
    "LayerScale": {"gamma": lambda layer, anew: keras.initializers.Constant(layer.init_values)},
    # What it has learnt of the data is no weight.
    "Normalization": {"*": lambda layer, anew: _stays},
    "RMSNormalization": {"scale": _always("ones")},
    "ReversibleEmbedding": {"reverse_embeddings": _by("embeddings_initializer")},
    "STFTSpectrogram": {"real_kernel": _fourier("real"), "imag_kernel": _fourier("imag")},
    "SpectralNormalization": {"vector_u": _always(keras.initializers.TruncatedNormal(stddev=0.02))},
}
