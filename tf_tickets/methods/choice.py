"""What is chosen for one ticket: the method's row, and the score and ratios in force."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tf_tickets.methods.table import Method
from tf_tickets.pruning.choices import GLOBAL

if TYPE_CHECKING:
    from tf_tickets.pruning.scores import Score


@dataclasses.dataclass(frozen=True)
class Choice:
    """What flags are checked against: the method's row, and the score and ratios in force."""

    row: Method
    score: Score
    ratios: str | tuple[float, ...]

    @property
    def ranks(self) -> bool:
        """Whether all layers are ranked together."""
        return self.ratios == GLOBAL

    @property
    def smart(self) -> bool:
        """Whether ratios are smart ones."""
        return isinstance(self.ratios, str) and self.ratios.startswith("smart")

    @property
    def independent(self) -> bool:
        """Whether masks are random."""
        return self.row.draws and self.score.independent

    @property
    def sees_data(self) -> bool:
        """Whether the score looks at examples."""
        return self.row.draws and self.score.data != "unused"

    @property
    def iterates(self) -> bool:
        """Whether rounds make a difference."""
        return self.row.draws and (self.row.pretrains or self.score.sees_masks)

    @property
    def grows(self) -> bool:
        """Whether pruned weights come back."""
        return self.row.search is not None and self.row.search.grows
