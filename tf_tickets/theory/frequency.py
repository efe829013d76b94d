"""How often something happened in independent trials."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Frequency:
    """A probability as it was measured.

    Attributes:
        successes: trials in which it happened.
        trials: all trials.
    """

    successes: int
    trials: int

    @property
    def value(self) -> float:
        """The share of trials in which it happened."""
        return self.successes / self.trials

    @property
    def standard_error(self) -> float:
        """Of the value, by the binomial formula; 0 where it always or never happened."""
        return math.sqrt(self.value * (1 - self.value) / self.trials)

    def __str__(self) -> str:
        return f"{self.value:.4f} ± {self.standard_error:.4f} ({self.trials:,} trials)"
