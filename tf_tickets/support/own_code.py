"""Code of the user's own, asked for by name: `module:attribute` or `file.py:attribute`."""

from __future__ import annotations

import hashlib
import inspect
import pathlib
import sys
import types
from collections.abc import Callable
from typing import Any, TypeVar

from tf_tickets.support.late import resolve, split

Row = TypeVar("Row")
HELD = "tf_tickets_held"  # a module of objects that this process alone has
HOW = (
    "It is written module:attribute, the module on Python's path or in the current directory, or "
    "file.py:attribute"
)


def is_own(name: Any) -> bool:
    """Whether a name is of that form."""
    module, colon, attribute = split(name) if isinstance(name, str) else ("", "", "")
    return bool(module and colon and attribute) and "://" not in name


def own(option: str, name: str) -> Any:
    """The object of a name.

    Args:
        option: that the name was given for, for messages.
        name: of the object.

    Raises:
        ValueError: it cannot be imported, whatever it does on import.
    """
    module, _, attribute = split(name)
    try:
        return resolve(name)
    except Exception as error:
        raise ValueError(
            f"{option}={name!r}: {module} has no {attribute or 'function'} to import ({error}). {HOW}."
        ) from error


def own_function(option: str, name: str) -> Any:
    """The function of a name; arguments and errors as for `own`.

    Raises:
        ValueError: it is no function.
    """
    return _function(option, name, own(option, name))


def own_row(option: str, name: str, kind: type[Row], make: Callable[[Any], Row]) -> Row:
    """The row of a table that a name leads to, or one made of the function that it leads to.

    Args:
        option, name: as for `own_function`, errors too.
        kind: class of the rows.
        make: function -> row.
    """
    value = own(option, name)
    return value if isinstance(value, kind) else make(_function(option, name, value))


def _function(option: str, name: str, value: Any) -> Any:
    if not callable(value):
        raise ValueError(f"{option}={name!r} is no function but {type(value).__name__}.")
    return value


def code_hash(name: str) -> str:
    """Hash of the file that holds a name, so that changed code makes another run.

    Of what no file holds, as in a notebook, it is that of the object's own source.
    """
    module, _, _ = split(name)
    path = module if module.endswith(".py") else getattr(resolve(module), "__file__", None)
    code = _source(resolve(name)) if path is None else pathlib.Path(path).expanduser().read_bytes()
    return hashlib.sha256(code).hexdigest()[:16]


def name_of_object(option: str, value: Any, abroad: bool) -> str:
    """The name under which an object of the user's own is found.

    Args:
        option: that the object was given for, for messages.
        value: a function, a class, or another object with a name.
        abroad: whether other processes are to find it.

    Raises:
        ValueError: they could not.
    """
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    home = sys.modules.get(str(module))
    # A decorated function may bear the name of another.
    known = name is not None and "." not in name and getattr(home, name, None) is value
    if known and (not abroad or module != "__main__"):
        return f"{module}:{name}"
    if abroad:
        raise ValueError(
            f"{option}={name or value!r} of module {module} cannot be imported by other processes: put it in "
            f"a file of its own, at its top level, and pass it, or {option}='file.py:{name or 'name'}'."
        )
    held = sys.modules.setdefault(HELD, types.ModuleType(HELD))
    last = (name or "object").rpartition(".")[2].strip("<>")
    name = f"{last}_{hashlib.sha256(_source(value)).hexdigest()[:8]}"
    setattr(held, name, value)
    return f"{HELD}:{name}"


def _source(value: Any) -> bytes:
    """What tells an object from one of other code, as far as it can be told."""
    try:
        return inspect.getsource(value).encode()
    except (OSError, TypeError):
        code = getattr(value, "__code__", None)
        return repr((code.co_code, code.co_consts, code.co_names)).encode() if code else repr(value).encode()


def short_name(name: Any) -> Any:
    """A name without the folder of its file, which is another one on another machine; no text as it is."""
    if not isinstance(name, str):
        return name
    if name.endswith(".keras"):
        return pathlib.Path(name).name
    module, colon, attribute = split(name)
    return f"{pathlib.Path(module).name if module.endswith('.py') else module}{colon}{attribute}"
