"""Public names of a package that are imported when they are first used."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def late_names(
    package: str, public: Mapping[str, str | None]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package.

    Args:
        package: its `__name__`.
        public: name -> the module that holds it; None is a module of the package itself.
    """

    def get(name: str) -> Any:
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = public[name]
        value = (
            importlib.import_module(f"{package}.{name}")
            if module is None
            else getattr(importlib.import_module(f"{package}.{module}"), name)
        )
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted(public)
