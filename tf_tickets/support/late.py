"""What is written as a name and imported when it is first used: `"module:attribute"`.

Tables name what they need that loads TensorFlow, so that reading a table, and `--help` with it, loads none.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import pathlib
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any

OWN_MODULE = "tf_tickets_own_"  # begins the names of modules that were read from files of the user's
_importing: list[str] = []  # modules, or files, the one that another needed last


def resolve(name: str) -> Any:
    """The object of a name.

    Args:
        name: `"module:attribute"` (or `"module:attribute.attribute"`), `"folder/file.py:attribute"`, or a
            module's name alone.

    Raises:
        ImportError, AttributeError: there is no such module, it ends the program instead of being imported,
            or it has no such attribute; and whatever the module raises while it is imported.

    Example:
        >>> resolve("math:sqrt")(4.0)
        2.0
    """
    module, colon, attribute = split(name)
    _importing.append(module)
    try:
        found = _module_of(module) if module.endswith(".py") else importlib.import_module(module)
    except SystemExit as end:
        raise ImportError(
            f"{ending_of(end)}; what is to be run alone stands under if __name__ == '__main__':"
        ) from end
    finally:
        _importing.pop()
    return functools.reduce(getattr, attribute.split("."), found) if colon else found


def check_not_imported(call: str) -> None:
    """Refuses a call that a module makes while it is imported for what it holds.

    Args:
        call: as the user has written it.

    Raises:
        RuntimeError: it would run each time somebody needs a function of that module.
    """
    if _importing:
        raise RuntimeError(
            f"{_importing[-1]} calls {call} while it is imported for what it holds; that call stands under "
            "if __name__ == '__main__':, or in a file of its own"
        )


def split(name: str) -> tuple[str, str, str]:
    """(module or file, colon, attribute) of a name; a path may hold a colon of its own."""
    module, colon, attribute = name.partition(":")
    path, other, last = name.rpartition(":")
    return (path, other, last) if path.endswith(".py") else (module, colon, attribute)


def _module_of(path: str) -> types.ModuleType:
    """The module that a file holds, run once in a process for each version of the file."""
    place = pathlib.Path(path).expanduser().resolve()
    code = place.read_bytes()
    name = f"{OWN_MODULE}{hashlib.sha256(str(place).encode() + code).hexdigest()[:16]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, place)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # before it runs: dataclasses look their module up
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def ending_of(end: SystemExit) -> str:
    """What to say of code that ends the program it is used in: where that was, and by what."""
    where = traceback.extract_tb(end.__traceback__)[-1]
    return f"{where.filename}, line {where.lineno}, ends the program (SystemExit: {end.code})"


@dataclasses.dataclass(frozen=True)
class Late:
    """A function by its name: what it names is imported when it is first called.

    Attributes:
        name: see `resolve`.
        options: keyword arguments of every call, as pairs.
    """

    name: str
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def target(self) -> Callable[..., Any]:
        """The function, imported now."""
        return resolve(self.name)

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        return self.target(*arguments, **dict(self.options), **more)


def late(name: str, **options: Any) -> Late:
    """A function that resolves `name` when it is called, and calls what it finds, with the options."""
    return Late(name, tuple(options.items()))


def late_names(
    package: str, public: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package whose public names are imported when they are first used.

    Args:
        package: its `__name__`.
        public: name -> `"module:attribute"`, or a module alone.
    """

    def get(attribute: str) -> Any:
        if attribute not in public:
            raise AttributeError(f"module {package!r} has no attribute {attribute!r}")
        value = resolve(public[attribute])
        setattr(sys.modules[package], attribute, value)
        return value

    return get, lambda: sorted(public)
