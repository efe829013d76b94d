"""What is chosen for one ticket: the method's row, and the score and ratios in force.

Importing it loads no TensorFlow.
"""

from __future__ import annotations

import dataclasses

from tf_tickets.methods.table import INIT, TRAINED, Method
from tf_tickets.pruning.ratios import Rule, named_rule, ranks_all
from tf_tickets.pruning.scores import Score


@dataclasses.dataclass(frozen=True)
class Choice:
    """What flags are checked against: the method's row, and the score and ratios in force."""

    row: Method
    score: Score
    ratios: str | tuple[float, ...]

    @property
    def rule(self) -> Rule | None:
        """The row of the ratios' name; None where layers are ranked together, or ratios are given."""
        return named_rule(self.ratios)

    @property
    def ranks(self) -> bool:
        """Whether all layers are ranked together."""
        return ranks_all(self.ratios)

    @property
    def has_families(self) -> bool:
        """Whether ratios have a form for each family of networks."""
        return self.rule is not None and bool(self.rule.families)

    @property
    def takes_classifier_keep(self) -> bool:
        """Whether the classifier is set apart from the rest, or can be."""
        return self.ranks or (self.rule is not None and self.rule.classifier_apart)

    @property
    def independent(self) -> bool:
        """Whether masks are random."""
        return self.row.draws and self.score.independent

    @property
    def sees_data(self) -> bool:
        """Whether the score, or what makes up for the weights that are removed, looks at examples."""
        return self.row.draws and (self.score.data != "unused" or self.row.solver is not None)

    @property
    def sees_labels(self) -> bool:
        """Whether the score looks at what examples are labelled."""
        return self.row.draws and self.score.data != "unused" and self.score.labels

    @property
    def trains_before(self) -> bool:
        """Whether the ticket comes of a training that sees what the ticket is pruned on."""
        row = self.row
        scores_trained = row.scored_at == TRAINED and not self.independent
        return row.retrains and (scores_trained or row.start_from != INIT)

    @property
    def iterates(self) -> bool:
        """Whether rounds make a difference."""
        trains_between = self.row.pretrains and self.row.retrains
        return self.row.draws and (trains_between or self.score.sees_masks) and self.row.solver is None

    @property
    def grows(self) -> bool:
        """Whether pruned weights come back."""
        return self.row.search is not None and self.row.search.grows
