"""How often something happened in independent trials."""

import dataclasses
import math

from tf_tickets.support.numbers import is_number


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

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Where the probability lies with at least that confidence, exactly: Clopper and Pearson, 1934.

        Never a single point, also where it always or never happened.

        Args:
            confidence: in (0, 1).
        """
        from scipy.stats import beta

        if not is_number(confidence) or not 0 < confidence < 1:
            raise ValueError(f"confidence= is in (0, 1). Received: {confidence!r}")
        tail, failures = (1 - confidence) / 2, self.trials - self.successes
        low = float(beta.ppf(tail, self.successes, failures + 1)) if self.successes else 0.0
        high = float(beta.ppf(1 - tail, self.successes + 1, failures)) if failures else 1.0
        return low, high

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.value:.4f} [{low:.4f}, {high:.4f}] ({self.trials:,} trials)"
