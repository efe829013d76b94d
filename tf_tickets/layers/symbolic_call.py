"""Calling a model without running it: on what shapes and dtypes, and watched in what it does."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.layers.retracing import fresh_functions

# Length given to an axis that a model leaves open: room for five halvings.
OPEN_LENGTH = 32


def symbolic_call(
    model: keras.Model, inputs: Any = None, scope: keras.StatelessScope | None = None
) -> list[tf.Tensor]:
    """Traces one inference call of a built model, inside `scope`; nothing is run and no state changes.

    Returns:
        List of the symbolic tensors in what the call returned, whatever holds them.
    """
    args, kwargs = _input_specs(model, inputs)
    scope = scope or keras.StatelessScope(initialize_variables=False)
    found: list[Any] = []

    def forward(*args: Any, **kwargs: Any) -> Any:
        with scope:
            outputs = model(*args, training=False, **kwargs)
        found[:] = tf.nest.flatten(outputs, expand_composites=True)
        return outputs

    try:
        with fresh_functions(model), kept_losses(model):
            tf.function(forward, autograph=False).get_concrete_function(*args, **kwargs)
    except Exception as error:
        raise ValueError(
            f"Model '{model.name}' could not be traced to find the order of its weights: {error} "
            "Its call must work as a tf.function does, on tensors without values: no .numpy(), no Python "
            "condition on a value (keras.ops and TensorFlow have operations for these). If it fails for "
            "shapes or dtypes, call it on one batch of data first, or pass that batch as data="
        ) from error
    return [x for x in found if tf.is_tensor(x) and hasattr(x, "op")]


def example_inputs(
    model: keras.Model,
    fill: Callable[[tuple[int, ...], tf.DType], tf.Tensor],
    batch_size: int = 1,
    open_length: int = OPEN_LENGTH,
) -> tuple[list, dict]:
    """Arguments and keyword arguments that a model can be called with, made without data.

    Args:
        model: a built model that knows its input shapes.
        fill: (shape, dtype) -> tensor.
        batch_size: size of the first axis, where the model leaves it open.
        open_length: size of every other axis that the model leaves open.

    Raises:
        ValueError: the model does not know its input shapes.
    """

    def example(spec: tf.TensorSpec) -> tf.Tensor:
        first, *rest = spec.shape
        shape = (first or batch_size, *(open_length if size is None else size for size in rest))
        return fill(shape, spec.dtype)

    return tf.nest.map_structure(example, _input_specs(model, None))


def open_lengths(model: keras.Model, longest: int = OPEN_LENGTH) -> list[int]:
    """Sizes to try for axes that a model leaves open, longest first: a table of positions may be shorter.

    Raises:
        ValueError: the model does not know its input shapes.
    """
    if not _open(_input_specs(model, None)):
        return [longest]
    return [longest >> halvings for halvings in range(longest.bit_length())]


def ones(shape: tuple[int, ...], dtype: tf.DType) -> tf.Tensor:
    """An input of ones, whatever it is of; of strings, "1"."""
    return tf.fill(shape, "1") if tf.as_dtype(dtype) == tf.string else tf.ones(shape, dtype)


def call_arguments(model: keras.Model, inputs: Any) -> list:
    """The positional arguments that a batch of inputs is: a tuple is several where `call` takes several."""
    return list(inputs) if _takes_several(model) and isinstance(inputs, tuple) else [inputs]


def check_built(model: keras.Model) -> None:
    """Raises ValueError if the model has no weights yet."""
    if type(model).call is keras.Model.call and getattr(model, "inputs", None) is None:
        parts = [f"model.{name}" for name, part in vars(model).items() if isinstance(part, keras.Model)]
        raise ValueError(
            f"Model '{model.name}' has no `call` of its own, as one that trains its parts by hand has not: "
            f"there is no forward pass to prune. Prune its parts: {', '.join(parts) or 'the models inside'}."
        )
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' is not built. Call it on a batch of data, or model.build(shape), first."
        )


@contextlib.contextmanager
def wrapped_calls(
    layers: Iterable[keras.Layer], wrap: Callable[[keras.Layer, Callable], Callable]
) -> Iterator[None]:
    """For the duration, each layer's `call` is `wrap(layer, call)`."""
    with contextlib.ExitStack() as stack:
        for layer in {id(layer): layer for layer in layers}.values():
            if "call" in layer.__dict__:
                stack.callback(object.__setattr__, layer, "call", layer.__dict__["call"])
            else:
                stack.callback(object.__delattr__, layer, "call")
            object.__setattr__(layer, "call", wrap(layer, layer.call))
        yield


@contextlib.contextmanager
def kept_losses(model: keras.Model) -> Iterator[None]:
    """Afterwards, layers have the losses again that their last call added: every call clears them."""
    layers = model._flatten_layers()
    before = [(layer, layer._losses[:], set(layer._loss_ids)) for layer in layers]
    try:
        yield
    finally:
        for layer, losses, ids in before:
            layer._losses[:] = losses
            layer._loss_ids.clear()
            layer._loss_ids.update(ids)


@dataclasses.dataclass(frozen=True)
class _Sample:
    """What a model remembers of a batch of its inputs; no bare list, which Keras would walk when it saves."""

    arguments: list


def leaves_open(model: keras.Model) -> bool:
    """Whether a model does not say how long its inputs are, apart from how many there are."""
    specs = _own_specs(model)
    return specs is None or _open(specs)


def _open(specs: tuple[list, dict]) -> bool:
    return any(size is None for spec in tf.nest.flatten(specs) for size in spec.shape[1:])


def note_inputs(model: keras.Model, inputs: Any) -> None:
    """Has a model remember the shapes of a batch of inputs, for axes that it leaves open itself.

    Args:
        model: a built model.
        inputs: a batch (arrays, tensors or tf.TensorSpecs, in the model's own structure).
    """
    sample = _Sample(tf.nest.map_structure(_spec_of_batch, call_arguments(model, inputs)))
    object.__setattr__(model, "_sample_inputs", sample)


def _input_specs(model: keras.Model, inputs: Any) -> tuple[list, dict]:
    """Arguments for the symbolic call, as tf.TensorSpec structures."""
    check_built(model)
    if inputs is not None:
        note_inputs(model, inputs)
        return model._sample_inputs.arguments, {}
    sample = model.__dict__.get("_sample_inputs")
    specs = _own_specs(model)
    if specs is None and sample is None:
        raise ValueError(
            f"Model '{model.name}' does not know its input shape. Call it on one batch of data first, "
            "or pass that batch as data= (a call that works only eagerly leaves no shapes behind, and has to "
            "be made to work as a tf.function does)"
        )
    if specs is None:
        return sample.arguments, {}
    return specs if sample is None else _filled_in(specs, tf.nest.flatten(sample.arguments))


def structure_of(model: keras.Model) -> Any:
    """The inputs of a model that knows them, symbolic, in its own structure."""
    # A Sequential model that was never called has no `input`.
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def _own_specs(model: keras.Model) -> tuple[list, dict] | None:
    """What the model itself knows of its inputs."""
    if getattr(model, "inputs", None):
        return [tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), structure_of(model))], {}
    config = model.get_build_config() or {}
    dtype = model.input_dtype
    if config.get("input_shape") is not None:
        return [_map_shapes(config["input_shape"], dtype)], {}
    if config.get("shapes_dict"):
        shapes = config["shapes_dict"].items()
        return [], {name.removesuffix("_shape"): _map_shapes(shape, dtype) for name, shape in shapes}
    return None


def _filled_in(specs: tuple[list, dict], sample: list[tf.TensorSpec]) -> tuple[list, dict]:
    """Specs with the sizes of a sample where they have none, if the sample is of the same form."""
    flat = tf.nest.flatten(specs)
    if [spec.shape.rank for spec in flat] != [spec.shape.rank for spec in sample]:
        return specs
    filled = [
        tf.TensorSpec([a or b for a, b in zip(spec.shape, other.shape, strict=True)], spec.dtype)
        for spec, other in zip(flat, sample, strict=True)
    ]
    return tf.nest.pack_sequence_as(specs, filled)


def _takes_several(model: keras.Model) -> bool:
    """Whether `call` needs several arguments, rather than one structure of inputs."""
    # As Keras read it when the model was made: a `tf.function` renewed since has no signature.
    parameters = model._call_signature.parameters.values()
    return sum(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters) > 1


def _spec_of_batch(x: Any) -> tf.TensorSpec:
    dtype = getattr(x, "dtype", None) or tf.convert_to_tensor(x).dtype
    return tf.TensorSpec((None, *tuple(x.shape)[1:]), keras.backend.standardize_dtype(dtype))


def _map_shapes(shape: Any, dtype: str) -> Any:
    """Nested shapes -> nested specs; the batch size is left open."""
    if isinstance(shape, dict):
        return {key: _map_shapes(value, dtype) for key, value in shape.items()}
    if all(size is None or isinstance(size, int) for size in shape):
        return tf.TensorSpec((None, *shape[1:]), dtype)
    return [_map_shapes(value, dtype) for value in shape]
