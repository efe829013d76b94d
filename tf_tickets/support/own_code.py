"""Code of the user's own, asked for by name: `module:attribute` or `file.py:attribute`."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import pathlib
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from tf_tickets.support.late import OWN_MODULE, resolve, split
from tf_tickets.support.object_hash import hash_of_object
from tf_tickets.support.words import did_you_mean

Row = TypeVar("Row")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
HELD = "tf_tickets_held"  # a module of objects that this process alone has
_NOT_THEIRS = ("tf_tickets", HELD, "__mp_main__")  # the last is another name of __main__
HOW = (
    "It is written module:attribute, the module on Python's path or in the current directory, or "
    "file.py:attribute"
)

_loaded: dict[str, tuple[Any, Any, str]] = {}  # name -> (object, its code, hash of the file that it is from)


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
        meant = did_you_mean(attribute, _names_of(module))
        raise ValueError(
            f"{option}={name!r}: {module} has no {attribute or 'function'} to import ({error}).{meant} {HOW}."
        ) from error


def _names_of(module: str) -> list[str]:
    """What a module has; nothing of one that cannot be imported."""
    try:
        return [name for name in dir(resolve(module)) if not name.startswith("_")]
    except Exception:  # whatever the module raises: it is being told
        return []


def check_file(option: str, name: str) -> None:
    """Raises ValueError for a name in a file that is not there, or does not have it; nothing is imported.

    What a file has is read off its text, as far as that tells it: a module that makes its names as it runs,
    or imports all of another's, has any.
    """
    module, _, attribute = split(name)
    if not module.endswith(".py"):
        return
    try:
        tree = ast.parse(pathlib.Path(module).expanduser().read_bytes())
    except OSError as error:
        raise ValueError(f"{option}={name!r}: {module} cannot be read ({error.strerror}). {HOW}.") from error
    except (SyntaxError, ValueError):
        return  # which is told with its line when it is imported
    bound = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound += [node.name for node in ast.walk(tree) if isinstance(node, _DEFINITIONS)]
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            bound += [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    asked = re.split("[.:]", attribute)[0]  # a check of one method only is written after a second colon
    if asked not in bound and not {"*", "globals", "vars", "setattr", "exec", "__getattr__"} & set(bound):
        raise ValueError(
            f"{option}={name!r}: {module} has no {attribute} to import.{did_you_mean(asked, bound)} {HOW}."
        )


@contextlib.contextmanager
def failures_told(what: str, how: str = "") -> Iterator[None]:
    """For the duration, whatever code of the user's raises, or ends the program by, is told as a ValueError.

    Args:
        what: was called, as it begins the message.
        how: it is called, which ends the message.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        raise ValueError(f"{what} failed: {type(error).__name__}: {error}{how}") from error


def own_function(option: str, name: str) -> Any:
    """The function of a name; arguments and errors as for `own`.

    Raises:
        ValueError: it is no function.
    """
    return _function(option, name, own(option, name))


def own_row(
    option: str, name: str, kind: type[Row], make: Callable[[Any], Row] | None = None, what: str = ""
) -> Row:
    """The row of a table that a name leads to, or one made of the function that it leads to.

    Args:
        option, name: as for `own_function`, errors too.
        kind: class of the rows.
        make: function -> row; None where a function says too little.
        what: how a row is made, which ends the message, with the stop or comma before it.
    """
    value = own(option, name)
    if isinstance(value, kind):
        return value
    if make is None:
        raise ValueError(f"{option}={name!r} is no {kind.__name__} but {type(value).__name__}{what}")
    return make(_function(option, name, value))


def row_of(
    option: str,
    name: Any,
    table: Mapping[str, Row],
    kind: type[Row],
    make: Callable[[Any], Row] | None = None,
    what: str = "",
) -> Row:
    """The row of a table by its name; one of the user's own by `module:attribute`, or as it is.

    Args:
        option: that the name was given for, for messages.
        name: what was given.
        table: name -> row.
        kind, make, what: as for `own_row`.

    Raises:
        ValueError: there is no such row, here or there; the message lists the table.
    """
    if isinstance(name, kind):
        return name
    if isinstance(name, str) and name in table:
        return table[name]
    if is_own(name):
        return own_row(option, name, kind, make, what)
    raise ValueError(unknown_name(option, name, table))


def unknown_name(option: str, name: Any, table: Mapping[str, Any]) -> str:
    """What to say of a name that no row of a table has, and that is none of the user's own."""
    shown = name if option.startswith("--") else repr(name)
    return (
        f"{option}={shown} is unknown.{did_you_mean(name, table)} Choose one of: {', '.join(table)}; your "
        "own is written module:attribute or file.py:attribute."
    )


def _function(option: str, name: str, value: Any) -> Any:
    if not callable(value):
        raise ValueError(f"{option}={name!r} is no function but {type(value).__name__}.")
    return value


def code_hash(name: str) -> str:
    """Hash of the file that holds a name, so that changed code makes another run.

    Of what no file holds, as in a notebook, it is that of the object's own source and data; of an object that
    a script has made while it runs, of which there may be several by one name, that of both.

    Raises:
        ValueError: the file of a module has changed, and what is loaded of it is what it was before.
    """
    module, _, _ = split(name)
    path = module if module.endswith(".py") else getattr(resolve(module), "__file__", None)
    if path is None:
        return hash_of_object(resolve(name))
    file = hashlib.sha256(pathlib.Path(path).expanduser().read_bytes())
    if module == "__main__" and not hasattr(value := resolve(name), "__qualname__"):
        file.update(hash_of_object(value).encode())
    found = file.hexdigest()[:16]
    if not module.endswith(".py") and module != "__main__":
        _check_loaded(name, found)
    return found


def _check_loaded(name: str, found: str) -> None:
    """Refuses what was loaded from a file that is another one now: its run would bear the other's hash."""
    value = resolve(name)
    code = getattr(value, "__code__", None)  # which is another one after an autoreload in place
    if name in _loaded:
        last, last_code, last_found = _loaded[name]
        if value is last and code is last_code and found != last_found:
            raise ValueError(
                f"{name}: the file of {split(name)[0]} has changed since this process has imported it. "
                "importlib.reload it, or start anew."
            )
    _loaded[name] = value, code, found


def name_of_object(option: str, value: Any, abroad: bool) -> str:
    """The name under which an object of the user's own is found.

    Args:
        option: that the object was given for, for messages.
        value: a function, a class, or any other object, such as a row of a table.
        abroad: whether other processes are to find it.

    Raises:
        ValueError: they could not.
    """
    module, name = _place_of(value)
    if module is not None and (not abroad or module != "__main__"):
        return f"{module}:{name}"
    called = name or getattr(value, "__qualname__", None)
    if abroad:
        home = module or getattr(value, "__module__", None)
        raise ValueError(
            f"{option}={called or _in_short(value)} of module {home} cannot be imported by other processes: "
            f"put it in a file of its own, at its top level, and pass it, or "
            f"{option}='file.py:{called or 'name'}'."
        )
    held = sys.modules.setdefault(HELD, types.ModuleType(HELD))
    last = (called or type(value).__name__).rpartition(".")[2].strip("<>").lower()
    name = f"{last}_{hash_of_object(value)[:8]}"
    setattr(held, name, value)
    return f"{HELD}:{name}"


def _place_of(value: Any) -> tuple[str | None, str | None]:
    """(module or file, name) of the global that an object is; None where it is none."""
    # A decorated function may bear the name of another.
    name = getattr(value, "__qualname__", None)
    home = getattr(value, "__module__", None)
    if (
        isinstance(name, str)
        and isinstance(home, str)
        and "." not in name
        and getattr(sys.modules.get(home), name, None) is value
    ):
        return _importable(home), name
    if name is None:  # an instance does not know what it is called
        places = [
            (home, called)
            for home, module in list(sys.modules.items())
            if isinstance(module, types.ModuleType) and home.partition(".")[0] not in _NOT_THEIRS
            for called, other in list(vars(module).items())
            if other is value and not re.fullmatch(r"_+\d*", called)  # a notebook's last results
        ]
        if places:
            # Others may have it too, from where it was made.
            home, name = max(places, key=lambda place: (_assigns(*place), place[0] != "__main__"))
            return _importable(home), name
    return None, None


def _assigns(module: str, name: str) -> bool:
    """Whether a name stands on the left of an assignment of a module, and is not imported from another."""
    try:
        tree = ast.parse(pathlib.Path(str(sys.modules[module].__file__)).read_bytes())
    except (AttributeError, OSError, SyntaxError, ValueError):
        return False
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
        for node in ast.walk(tree)
    )


def _importable(module: str) -> str:
    """How a module is asked for: one that was read from a file by its path."""
    return str(sys.modules[module].__file__) if module.startswith(OWN_MODULE) else module


def _in_short(value: Any) -> str:
    return f"{type(value).__name__} object"


def short_name(name: Any) -> Any:
    """A name without the folder of its file, which is another one on another machine; no text as it is."""
    if not isinstance(name, str):
        return name
    if name.endswith(".keras"):
        return pathlib.Path(name).name
    module, colon, attribute = split(name)
    return f"{pathlib.Path(module).name if module.endswith('.py') else module}{colon}{attribute}"
