"""Which differences count as none: a `Margin`."""

from __future__ import annotations

import dataclasses
import math

from absl import flags

from tf_tickets.support.numbers import is_number
from tf_tickets.support.scale import Scale

ABOUT = (
    "Differences of the metric smaller than this count as none, in its unit; or, as 25%, that part of the "
    "gap between the best random ticket of hand-made ratios and the dense network."
)


@dataclasses.dataclass(frozen=True)
class Margin:
    """A margin of equivalence: a number in the unit of the metric, or a part of the gap of each ticket.

    The gap is that between the means of the ticket's best null of hand-made ratios and of the dense network,
    as they were found: what there is to be gained by choosing well which weights to keep.

    Attributes:
        value: above 0; of a part of the gap below 1.
        of_gap: whether it is a part of the gap.
    """

    value: float
    of_gap: bool = False

    @classmethod
    def read(cls, given: float | str | Margin | None, name: str = "margin") -> Margin | None:
        """A margin as it is written: `0.005`, or `25%` of the gap; None stays None.

        Raises:
            ValueError: it is neither.
        """
        if given is None or isinstance(given, Margin):
            return given
        of_gap = isinstance(given, str) and given.strip().endswith("%")
        try:
            value = float(given.strip().removesuffix("%")) if isinstance(given, str) else given
        except ValueError:
            value = math.nan
        value = value / 100 if of_gap and is_number(value) else value
        if not is_number(value) or not 0 < value < (1 if of_gap else math.inf):
            raise ValueError(
                f"{name}={given} is out of range: it is a number above 0 in the unit of the metric, such as "
                "0.01, or a part of the gap between random tickets and the dense network, such as 25%."
            )
        return cls(value, of_gap)

    def __str__(self) -> str:
        return f"{100 * self.value:.12g}%" if self.of_gap else f"{self.value:.12g}"

    def words(self, scale: Scale) -> str:
        """The margin for people: `1 point`, `25 % of the gap to the dense network`."""
        if self.of_gap:
            return f"{100 * self.value:g} % of the gap between its best random null and the dense network"
        return scale.margin_words(self.value)

    def times(self, factor: float, scale: Scale) -> Margin | None:
        """So many times it; None where that is the whole gap or more, or all that there is of a share."""
        value = factor * self.value
        return None if (self.of_gap or scale.is_share) and value >= 1 else Margin(value, self.of_gap)


class MarginParser(flags.ArgumentParser):
    """Reads the flag of a margin, so that what is none is refused with the flags.

    Args:
        name: of the flag.
    """

    syntactic_help = "a number above 0, or a part of a gap such as 25%"

    def __init__(self, name: str):
        self.name = name

    def parse(self, argument: str | float | Margin) -> Margin | None:
        """The margin that is written there."""
        return Margin.read(argument, self.name)

    def flag_type(self) -> str:
        """What `--help` calls it."""
        return "margin"


def define_margin(name: str, about: str, group: str, values: flags.FlagValues) -> None:
    """Defines the flag of a margin, None by default.

    Args:
        name: of the flag.
        about: what `--help` says.
        group: of flags that it stands in.
        values: that it is defined in.
    """
    serializer: flags.ArgumentSerializer = flags.ArgumentSerializer()
    flags.DEFINE(MarginParser(name), name, None, about, values, serializer, module_name=group)


def margin_for(given: float | str | Margin | None, scale: Scale) -> Margin | None:
    """The margin that is asked for, checked, or else the metric's own; None where it has none.

    Raises:
        ValueError: it is no margin of such numbers.
    """
    margin = Margin.read(given)
    if margin is not None and margin.of_gap:
        return margin
    value = scale.checked_margin(None if margin is None else margin.value)
    return None if value is None else Margin(value)
