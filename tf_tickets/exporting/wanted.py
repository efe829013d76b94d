"""Exports that a run is asked for: each a format with those of the run's options that it takes."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from tf_tickets.exporting.formats import FORMATS, check_packages


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One export.

    Attributes:
        format: name in `FORMATS`.
        options: of `export`, by name: texts.
    """

    format: str
    options: Mapping[str, str]

    @property
    def name(self) -> str:
        """What tells it from another export of the run: litert_int8."""
        return "_".join((self.format, *self.options.values()))

    @property
    def file(self) -> str:
        """Its name in a run's directory: model_int8.tflite. Another choice of options has another file."""
        file = pathlib.PurePath(FORMATS[self.format].file)
        return "_".join((file.stem, *self.options.values())) + file.suffix


def wanted(formats: Iterable[str], options: Mapping[str, str | None]) -> tuple[Wanted, ...]:
    """The exports of some formats; each takes those options that mean something to it.

    Args:
        formats: names in `FORMATS`.
        options: of a run, by name; None where one is not given.
    """
    return tuple(
        Wanted(
            format,
            {
                name: value
                for name, value in options.items()
                if value is not None and name in FORMATS[format].options
            },
        )
        for format in formats
    )


def check_wanted(formats: Iterable[str], options: Mapping[str, Any]) -> None:
    """Refuses options that no format takes, and formats that cannot be written here.

    Args:
        formats: names in `FORMATS`.
        options: of a run, by name; None where one is not given.

    Raises:
        ValueError: names the option, or the packages that are missing.
    """
    formats = list(formats)
    for name, value in options.items():
        takers = [format for format, row in FORMATS.items() if name in row.options]
        if value is not None and not set(takers) & set(formats):
            raise ValueError(
                f"--{name}={value} means nothing to --export={','.join(formats)}: it is for "
                f"{', '.join(takers)}."
            )
    for format in formats:
        try:
            check_packages(format)
        except ModuleNotFoundError as error:
            raise ValueError(f"--export={','.join(formats)}: {error}") from None
