"""Giving a model's layers masks, in place."""

import dataclasses
import os
from typing import Any, NoReturn

import keras

from tf_tickets.layers.forward_order import sort_weights
from tf_tickets.layers.mask_holder import hold_masks_inside
from tf_tickets.layers.mask_selection import Selection, select_weights
from tf_tickets.layers.masked import Masked, give_mask, unsaveable_message
from tf_tickets.layers.masked_weight import MaskedWeight, MaskedWeights, entry_of
from tf_tickets.layers.model_check import check_model
from tf_tickets.layers.passed_over import note_choice
from tf_tickets.layers.retracing import forget_traces, models_in
from tf_tickets.support.html_table import html_table
from tf_tickets.support.short_reprs import ShortList
from tf_tickets.support.words import plural


@dataclasses.dataclass(frozen=True)
class MaskReport:
    """What `mask_layers` did.

    Attributes:
        masked: entries in forward order, whether masked now or before.
        left_alone: (path, reason) of every layer with weights that carries no mask.
    """

    masked: list[MaskedWeight]
    left_alone: list[tuple[str, str]]

    def __repr__(self) -> str:
        values = sum(entry.size for entry in self.masked)
        return (
            f"MaskReport({plural(len(self.masked), 'weight')} masked, {plural(values, 'value')}; "
            f"{plural(len(self.left_alone), 'layer')} left alone; print it for all)"
        )

    def _repr_html_(self) -> str:
        masked = [(entry.name, entry.shape, f"{entry.size:,} masked") for entry in self.masked]
        left_alone = [(path, "", reason) for path, reason in self.left_alone]
        return html_table(("weight or layer", "shape", ""), [*masked, *left_alone], left=3)

    def __str__(self) -> str:
        lines = [f"masked: {len(self.masked)} weights, {sum(w.size for w in self.masked):,} values"]
        lines += [f"  {entry.name}  {entry.shape}" for entry in self.masked]
        if self.left_alone:
            lines.append(f"left alone: {len(self.left_alone)}")
            lines += [f"  {path}: {reason}" for path, reason in self.left_alone]
        return "\n".join(lines)


def mask_layers(
    model: keras.Model,
    include: Selection | None = None,
    exclude: Selection | None = None,
    data: Any = None,
) -> MaskReport:
    """Gives the model's layers masks, in place; layers that have them already keep theirs.

    By default every kernel of a convolution, dense or recurrent layer is masked (Dense, EinsumDense, Conv*,
    Conv*Transpose, the pointwise kernel of SeparableConv*; `kernel` and `recurrent_kernel` of SimpleRNN,
    LSTM, GRU, ConvLSTM* and of the cells in an RNN), wherever it is nested, in a Bidirectional for example.
    Depthwise kernels and embeddings are masked only where `include` names them; biases and normalisation
    never are.

    Args:
        model: any built Keras model: functional, Sequential, nested or subclassed, compiled or not. It keeps
            its optimizer and need not be compiled again: every function that was traced with its weights is
            traced again, also of another model that shares its layers.
        include: what to mask instead of the default: a layer or a layer class (with all that they contain),
            a predicate `layer -> bool` (true for a recurrent layer, it takes its cells), a name or path of a
            layer or weight, or an iterable of these.
        exclude: what to leave alone; same forms.
        data: one batch of inputs, for a subclassed model that does not know its input shapes.

    Returns:
        A MaskReport: what carries masks, in forward order, and what was left alone and why.

    Raises:
        ValueError: the model is not built or cannot be traced; a name that is none of a layer or weight; an
            `include` that matches nothing maskable.
        TypeError: `model` is no Keras model, or a selection is of no accepted form.

    Example:
        >>> report = tt.mask_layers(model, exclude=model.layers[-1])
        >>> print(report)
    """
    check_model(model, "mask_layers takes")
    selected = select_weights(model, include, exclude)
    ordered, unmaskable = sort_weights(model, selected.chosen, data)
    changed = [pair for pair in ordered if give_mask(*pair)]
    if changed:
        forget_traces(model)
    if ordered:
        hold_masks_inside(model)
    for part in models_in(model) if ordered else ():
        _guard(part)
    note_choice(model, selected.by_choice)
    return MaskReport(
        masked=MaskedWeights(entry_of(*pair) for pair in ordered),
        left_alone=ShortList(selected.left_alone + unmaskable),
    )


def _guard(model: keras.Model) -> None:
    """Lets `save` refuse before Keras truncates a file, and `quantize` before it changes a layer."""

    def save(filepath: str | os.PathLike, *args: Any, **kwargs: Any) -> None:
        layers = [x for x in model._flatten_layers() if isinstance(x, Masked)]
        for layer in layers:
            layer.__dict__.pop("_written", None)
            layer.check_copyable()
        keras.saving.serialize_keras_object(model)
        lost = [layer.path for layer in layers if not layer.reloads]
        if lost:
            raise ValueError(unsaveable_message(lost))
        return type(model).save(model, filepath, *args, **kwargs)

    def quantize(*args: Any, **kwargs: Any) -> NoReturn:
        raise ValueError(
            f"Model '{model.name}' is masked, and quantized layers know of no masks. Call "
            "tf_tickets.fold(model) first, which leaves the zeros in the weights; or export it by "
            'tf_tickets.export(model, "pruned.tflite", quantize=...).'
        )

    object.__setattr__(model, "save", save)
    object.__setattr__(model, "quantize", quantize)
