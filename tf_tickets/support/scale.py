"""How the numbers of a metric read: which way is better, in which unit, by which words: a `Scale`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

PERCENT = "%"  # the unit of shares in [0, 1], which are shown in per cent
# Shares are counts over the size of a test set, kept in 32 bits or more: what differs by less is rounding.
SHARE_DECIMALS = 6


@dataclasses.dataclass(frozen=True)
class Scale:
    """What a run is judged by: the name of its metric, and how the numbers of that read.

    The defaults are those of accuracy. A result says what differs from them, so that it can be read where the
    code of the metric is not.

    Attributes:
        metric: its name, which is part of the names of numbers: `test_accuracy`.
        higher_is_better: whether more of it is better.
        unit: `"%"` for shares in [0, 1], which are shown in per cent and whose differences are points; of
            others the unit of the numbers, which are shown as they are, empty where they have none.
        margin: differences smaller than this count as none, unless it is said otherwise; None where that
            must be said, as nobody but the user knows what is little in that unit.
    """

    metric: str = "accuracy"
    higher_is_better: bool = True
    unit: str = PERCENT
    margin: float | None = 0.01

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> Scale:
        """The scale of the numbers of a run, as `record` has noted it there."""
        return cls(**(numbers.get("metric") or {}))

    @property
    def record(self) -> dict[str, Any]:
        """What is noted with the numbers of a run; nothing where all is as of accuracy."""
        said = {
            field.name: value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.default
        }
        return {"metric": said} if said else {}

    def endpoint(self, numbers: Mapping[str, Any]) -> float:
        """What a run is judged by: the metric of its final network on the test set."""
        return numbers[self.name_on_test]

    @property
    def name_on_test(self) -> str:
        """How it is called among the numbers of a run and of an epoch: `test_accuracy`."""
        return f"test_{self.metric}"

    @property
    def is_share(self) -> bool:
        """Whether its numbers are shares, in [0, 1]."""
        return self.unit == PERCENT

    @property
    def factor(self) -> float:
        """By which its numbers are multiplied to be shown."""
        return 100.0 if self.is_share else 1.0

    @property
    def words(self) -> str:
        """The metric for people: `accuracy`, `mean absolute error`."""
        return self.metric.replace("_", " ")

    @property
    def words_with_unit(self) -> str:
        """The same with its unit: `accuracy in per cent`, `mean absolute error in mmHg`, `r2`."""
        unit = "per cent" if self.is_share else self.unit
        return f"{self.words} in {unit}" if unit else self.words

    @property
    def unit_of_differences(self) -> str:
        """`points` of shares; of others their unit, empty where they have none."""
        return "points" if self.is_share else self.unit

    @property
    def loss_word(self) -> str:
        """What it is called to become worse."""
        return "drop" if self.higher_is_better else "rise"

    @property
    def gain_word(self) -> str:
        """What it is called to become better."""
        return "gain" if self.higher_is_better else "fall"

    def shown(self, value: float, decimals: int = 2) -> str:
        """A number without its unit: of shares with so many decimals, of others with four digits."""
        return f"{100 * value:.{decimals}f}" if self.is_share else f"{value:.4g}"

    def plain(self, value: float) -> str:
        """A number as it is, with its unit unless it is a share: `0.9833`, `57.31 mmHg`."""
        return f"{value:.4f}" if self.is_share else self.with_unit(f"{value:.5g}")

    def difference(self, value: float, decimals: int = 2) -> str:
        """A difference of two numbers, with its sign and without its unit."""
        if self.is_share:
            return f"{round(100 * float(value), decimals) + 0.0:+.{decimals}f}"  # no "-0.00"
        return f"{float(value) + 0.0:+.4g}"

    def with_unit(self, text: str) -> str:
        """A number as it is shown, and its unit."""
        return f"{text} {self.unit}" if self.unit else text

    def with_unit_of_differences(self, text: str) -> str:
        """A word or a number, and the unit of differences where they have one."""
        unit = self.unit_of_differences
        return f"{text} {unit}" if unit else text

    def margin_words(self, margin: float) -> str:
        """A margin for people: `1 point`, `2.5 points`, `0.5 mmHg`."""
        number = f"{self.factor * margin:g}"
        unit = self.unit_of_differences
        if self.is_share:
            unit = "point" if number == "1" else "points"
        return f"{number} {unit}" if unit else number

    def gain(self, difference: Any) -> Any:
        """How much better a difference is: the difference itself, or its opposite."""
        return difference if self.higher_is_better else -difference

    def but_for_rounding(self, value: float) -> float:
        """A number by which two that were kept in 32 and in 64 bits are the same."""
        return round(value, SHARE_DECIMALS) if self.is_share else value

    def best(self, values: Iterable[float]) -> float:
        """The best of some numbers."""
        return max(values) if self.higher_is_better else min(values)

    def checked_margin(self, margin: float | None) -> float | None:
        """The margin that is asked for, or else the metric's own; None where it has none.

        Raises:
            ValueError: it is no margin of such numbers.
        """
        if margin is None:
            return self.margin
        if not 0 < margin < (1.0 if self.is_share else math.inf):
            where = "in (0, 1), so 0.01 is one point" if self.is_share else "a number above 0"
            raise ValueError(f"margin={margin} is out of range: of {self.words} it is {where}.")
        return margin


# The loss on the test set, which stands beside the metric of every run. What is little of it must be said.
LOSS = Scale("loss", higher_is_better=False, unit="", margin=None)


def reached_by(result: Mapping[str, Any]) -> str:
    """What a run is judged by, as it is: `0.9833`.

    Args:
        result: what result.json holds.
    """
    scale = Scale.of(result)
    return scale.plain(scale.endpoint(result))
