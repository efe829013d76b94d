"""How runs are judged, as it is said before there are any: an `Analysis`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tf_tickets.results.margin import Margin
from tf_tickets.support.numbers import is_number
from tf_tickets.support.scale import LOSS, Scale
from tf_tickets.support.words import did_you_mean

ALPHA = 0.05


@dataclasses.dataclass(frozen=True)
class Analysis:
    """Endpoints with their margins, the accepted chance of an error, and families of tests.

    The metric of the runs is the first endpoint. The loss on the test set, which moves where the metric does
    not, is a second one where a margin of it is said; its tests are families of their own.

    Attributes:
        margin: of the metric; None: its own.
        loss_margin: of the loss on the test set; None: the loss is not judged.
        alpha: chance of a false answer in a family.
        families: check -> the family of tests that it is declared to belong to, instead of its claim's.
    """

    margin: Margin | None = None
    loss_margin: Margin | None = None
    alpha: float = ALPHA
    families: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(
        cls,
        margin: float | str | Margin | None = None,
        loss_margin: float | str | Margin | None = None,
        alpha: float = ALPHA,
        families: Sequence[str] = (),
    ) -> Analysis:
        """An analysis as it is written.

        Args:
            margin, loss_margin: `0.005`, or `25%` of the gap between random tickets and the dense network.
            alpha: chance of a false answer, in (0, 0.5).
            families: each `NAME:CHECK,CHECK`.

        Raises:
            ValueError: a value that is none.
        """
        if not is_number(alpha) or not 0 < alpha < 0.5:
            raise ValueError(
                f"alpha={alpha} is out of range: it is a chance of an error, above 0 and below 0.5."
            )
        return cls(
            Margin.read(margin), Margin.read(loss_margin, "loss_margin"), float(alpha), _declared(families)
        )

    @property
    def endpoints(self) -> list[tuple[Scale | None, Margin | None]]:
        """What is judged, and with which margin; None stands for the metric of the runs."""
        found: list[tuple[Scale | None, Margin | None]] = [(None, self.margin)]
        return found if self.loss_margin is None else [*found, (LOSS, self.loss_margin)]

    def check_families(self, checks: Sequence[str]) -> None:
        """Refuses families of checks that are not asked.

        Raises:
            ValueError: there is one.
        """
        for check, family in self.families.items():
            if check not in checks:
                raise ValueError(
                    f"--family={family}:... names {check!r}, which is not asked."
                    f"{did_you_mean(check, checks)} Asked are: {', '.join(checks)}."
                )

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
            "margin": None if self.margin is None else str(self.margin),
            "loss_margin": None if self.loss_margin is None else str(self.loss_margin),
            "alpha": self.alpha,
            "families": dict(self.families),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Analysis:
        """The analysis that `to_json` has written.

        Raises:
            ValueError: it is none.
        """
        families = found.get("families") or {}
        if not isinstance(families, Mapping):
            raise ValueError(f"families are a mapping. Received: {families!r}")
        read = cls.read(found.get("margin"), found.get("loss_margin"), found.get("alpha", ALPHA))
        return dataclasses.replace(read, families={str(x): str(y) for x, y in families.items()})


def _declared(families: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in families:
        name, colon, checks = text.partition(":")
        members = [check.strip() for check in checks.split(",")]
        if not colon or not name.strip() or not all(members):
            raise ValueError(f"--family={text} is not NAME:CHECK,CHECK, such as positions:rearrange,invert.")
        for check in members:
            if check in found:
                raise ValueError(f"--family={text}: {check} is in the family {found[check]} already.")
            found[check] = name.strip()
    return found
