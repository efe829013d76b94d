"""What tells an object of the user's own from others, where no file alone does: its source and its data."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import inspect
import types
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

# So deep are objects in an object followed: beyond are loggers, threads, what differs in every process.
DEPTH = 3
# What Keras hands to a callback at work, and what is no property of it.
_HANDED = ("_model", "params", "validation_data")
# Object -> (hash as work has left it, hash as it was given).
_after_work: weakref.WeakKeyDictionary[Any, tuple[str, str]] = weakref.WeakKeyDictionary()


def hash_of_object(value: Any) -> str:
    """Hash of an object's source, and of what it holds: arguments, attributes, variables around a function.

    Of an object that has worked since it was given, see `at_work`, it is what it was when it was given.
    """
    found = _digest(value)
    try:
        left, given = _after_work.get(value, (None, found))
    except TypeError:  # not to be remembered
        return found
    return given if found == left else found


@contextlib.contextmanager
def at_work(values: Iterable[Any]) -> Iterator[None]:
    """For the duration, objects may change, as callbacks that count do, and are known as the same later."""
    before = [(value, hash_of_object(value)) for value in values]
    try:
        yield
    finally:
        for value, given in before:
            with contextlib.suppress(TypeError):
                _after_work[value] = (_digest(value), given)


def _digest(value: Any) -> str:
    return hashlib.sha256(_source(value, {}, 0)).hexdigest()[:16]


def _source(value: Any, seen: dict[int, tuple[int, Any]], depth: int) -> bytes:
    """What tells an object from others, as far as it can be told.

    Args:
        value: the object.
        seen: id -> (number, object) of those that were followed already, since they may hold each other.
        depth: of objects that it was found in.
    """
    if value is None or isinstance(value, (str, int, float, complex, bytes)):
        return repr(value).encode()
    if id(value) in seen:
        return f"as {seen[id(value)][0]}".encode()
    seen[id(value)] = len(seen), value
    inner = functools.partial(_source, seen=seen, depth=depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return b"".join(name.encode() + inner(part) for name, part in parts)
    if isinstance(value, Mapping):
        return b"".join(str(key).encode() + inner(part) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return b"".join(map(inner, value))
    if isinstance(value, (set, frozenset)):
        return b"".join(sorted(map(inner, value)))
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        data = array.tobytes() if array.dtype != object else b"".join(map(inner, array.flat))
        return f"{array.dtype} {array.shape}".encode() + data
    if isinstance(value, functools.partial):
        return b"partial" + b"".join(map(inner, (value.func, value.args, value.keywords)))
    if isinstance(value, types.MethodType):
        return inner(value.__func__) + inner(value.__self__)
    if isinstance(value, types.FunctionType):
        return _text(value) + _code_of_lambda(value) + b"".join(map(inner, _data_of(value)))
    if isinstance(value, type):
        functions = (part for part in vars(value).values() if isinstance(part, types.FunctionType))
        return _text(value) + b"".join(inner(_globals_of(function)) for function in functions)
    if isinstance(value, types.ModuleType):
        return value.__name__.encode()
    if hasattr(value, "get_config") and hasattr(value, "get_weights"):  # a Keras model
        weights = b"".join(weight.tobytes() for weight in value.get_weights())
        return repr(value.get_config()).encode() + weights
    inner = functools.partial(_source, seen=seen, depth=depth + 1)
    if depth == DEPTH:
        return inner(type(value))
    held = {key: part for key, part in getattr(value, "__dict__", {}).items() if key not in _HANDED}
    return inner(type(value)) + inner(dict(sorted(held.items())))


def _text(value: Any) -> bytes:
    """The source of a function or a class; its name where there is none, as of what is built in."""
    try:
        return inspect.getsource(value).encode()
    except (OSError, TypeError):
        code = getattr(value, "__code__", None)
        return value.__qualname__.encode() if code is None else _code(code)


def _code_of_lambda(function: types.FunctionType) -> bytes:
    """Two of them may stand in one line, which is the source of both."""
    return _code(function.__code__) if function.__name__ == "<lambda>" else b""


def _code(code: types.CodeType) -> bytes:
    constants = (
        _code(part) if isinstance(part, types.CodeType) else repr(part).encode() for part in code.co_consts
    )
    return code.co_code + repr(code.co_names).encode() + b"".join(constants)


def _data_of(function: types.FunctionType) -> list[Any]:
    """What a function's text does not say: defaults, variables of functions around it, and its globals."""
    found: list[Any] = [function.__defaults__, function.__kwdefaults__, _globals_of(function)]
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # it is empty
            found.append(cell.cell_contents)
    return [part for part in found if part]


def _globals_of(function: types.FunctionType) -> dict[str, Any]:
    """Globals of `__main__` that a function of it reads: a notebook has no file that would tell them."""
    if function.__module__ != "__main__":
        return {}
    known = ((name, function.__globals__.get(name)) for name in _names(function.__code__))
    return {name: value for name, value in known if value is not None and _is_data_or_code(value)}


def _names(code: types.CodeType) -> list[str]:
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    return sorted({*code.co_names, *(name for part in inner for name in _names(part))})


def _is_data_or_code(value: Any) -> bool:
    """Whether it is plain data, or a function or a class of `__main__`; of others their names say enough."""
    if isinstance(value, (types.FunctionType, type)):
        return value.__module__ == "__main__"
    if isinstance(value, Mapping):
        return all(map(_is_data_or_code, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_is_data_or_code, value))
    return isinstance(value, (str, int, float, complex, bytes, np.ndarray, np.generic))
