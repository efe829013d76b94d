"""Having functions traced again: Keras and TensorFlow would go on running the graphs of before."""

import contextlib
import gc
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.eager.polymorphic_function.concrete_function import ConcreteFunction
from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
from tensorflow.python.framework.func_graph import FuncGraph

from tf_tickets.layers.variables import parts_of

# Where a Keras model keeps what it has traced; `make_...` renews it.
TRACED = ("train_function", "test_function", "predict_function")


def forget_traces(model: keras.Model) -> None:
    """Has everything that was traced with a variable of the model traced again, at its next call.

    Not only the model's own train, test and predict functions: also those of a model around it or beside it
    that shares its layers, and a `tf.function` of the user, since all of them go on with the graph that they
    have. Each keeps its identity, so that a running `fit`, too, goes on with what is traced anew.
    """
    renew_traces(model.variables)


def renew_traces(variables: Sequence[keras.Variable]) -> None:
    """Drops the traces of every `tf.function` in this process that has captured one of the variables.

    What cannot be traced again, a concrete function that somebody holds or a dataset that maps one, is named
    by a warning: it reads the variables themselves, and so the zeros that masks have put there, but training
    by it would fill them.
    """
    handles = {id(part.handle) for part in _parts(variables)}
    if not _captured(variables):
        return
    renewed = {graph for function in _alive(Function) for graph in _renewed(function, handles)}
    held = _held(handles, renewed)
    for _ in range(3):
        if not held:
            return
        # Graphs are cyclic, and taken apart by finalizers: most of these are nobody's any more.
        gc.collect()
        held = _held(handles, set())
    if held:
        warnings.warn(
            f"{len(held)} function(s) that were traced with this model's weights cannot be traced again, "
            f"as a dataset or somebody else holds them as they are: {', '.join(held)}. They read the "
            "pruned weights, but do not know of masks: make them anew before training by them.",
            stacklevel=4,
        )


@contextlib.contextmanager
def fresh_functions(model: keras.Model) -> Iterator[None]:
    """For the duration, calls that the user made a `tf.function` are traced afresh, and for that only.

    A trace from before would read variables past a StatelessScope, and one made inside the scope would keep
    its values.
    """
    places = _own_functions(model)
    before = [holder[key] for holder, key in places]
    for holder, key in places:
        holder[key] = holder[key]._clone(None)
    try:
        yield
    finally:
        for (holder, key), function in zip(places, before, strict=True):
            holder[key] = function


@contextlib.contextmanager
def kept_functions(model: keras.Model) -> Iterator[None]:
    """For the duration, the model traces anew; afterwards it has what it had traced before, and that holds.

    For changes of its layers that are taken back.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(fresh_functions(model))
        for part in models_in(model):
            for name in TRACED:
                traced = getattr(part, name, None)
                stack.callback(setattr, part, name, traced)
                if traced is not None:
                    getattr(part, f"make_{name}")(force=True)
        yield


def models_in(model: keras.Model) -> list[keras.Model]:
    """The model and the models inside it."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.Model)]


def _parts(variables: Sequence[keras.Variable]) -> list[tf.Variable]:
    """The variables of TensorFlow, one for each replica."""
    return [part for variable in variables for part in parts_of(variable)]


def _captured(variables: Sequence[keras.Variable]) -> bool:
    """Whether anything may have captured one of them: then something else than itself holds its handle."""
    alone = sys.getrefcount(_Holder().handle)
    return any(sys.getrefcount(part.handle) > alone for part in _parts(variables))


class _Holder:
    def __init__(self) -> None:
        self.handle = object()


def _renewed(function: Function, handles: set[int]) -> list[int]:
    """Ids of the graphs that a function has dropped, if one of them has captured one of the handles.

    It is as before its first call then.
    """
    traced = function._function_cache.values()
    if not any(id(tensor) in handles for each in traced for tensor in each.captured_inputs):
        return []
    with function._lock:
        function._function_cache.clear()
        function._created_variables = None
        function._variable_creation_config = function._no_variable_creation_config = None
        function._concrete_variable_creation_fn = None
    return [id(each.graph) for each in traced]


def _alive(kind: type) -> list[Any]:
    """All objects of a class: a class is referred to by its instances."""
    return [each for each in gc.get_referrers(kind) if type(each) is kind]


def _held(handles: set[int], renewed: set[int]) -> list[str]:
    """Names of concrete functions that have captured one of the handles, but for renewed and inner ones."""
    return [
        function.graph.name
        for function in _alive(ConcreteFunction)
        if id(function.graph) not in renewed
        and not isinstance(function.graph.outer_graph, FuncGraph)
        and any(id(tensor) in handles for tensor in function.captured_inputs)
    ]


def _own_functions(model: keras.Model) -> list[tuple[Any, Any]]:
    """(holder, key) of each layer's `call` that is a `tf.function`: its attribute, or bound by its class."""
    places: list[tuple[Any, Any]] = []
    for layer in model._flatten_layers():
        if isinstance(layer.__dict__.get("call"), tf.types.experimental.PolymorphicFunction):
            places.append((layer.__dict__, "call"))
        cls: Any = type(layer)
        call = getattr(cls, "stock", cls).call
        if isinstance(call, tf.types.experimental.PolymorphicFunction):
            call.__get__(layer, cls)
            places.append((call._descriptor_cache, layer))
    return places
