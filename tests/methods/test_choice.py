"""What flags are checked against: the properties of a choice, for names of ratios and given ones."""

import pytest

from tf_tickets.methods.choice import Choice
from tf_tickets.methods.table import METHODS
from tf_tickets.pruning.ratios import RATIOS
from tf_tickets.pruning.scores import SCORES


def choice(method="hybrid", score="magnitude", ratios="smart"):
    return Choice(METHODS[method], SCORES[score], ratios)


@pytest.mark.parametrize("ratios", ["global", *RATIOS, (0.5, 0.1)])
def test_smart_ratios_have_families_and_set_the_classifier_apart(ratios):
    chosen = choice(ratios=ratios)
    smart = str(ratios).startswith("smart")
    assert chosen.has_families == smart
    assert chosen.takes_classifier_keep == (smart or ratios == "global")
    assert chosen.ranks == (ratios == "global")


@pytest.mark.parametrize("score", sorted(SCORES))
def test_only_random_scores_are_independent(score):
    assert choice(score=score).independent == (score == "random")
    assert not choice("granet", score=score).independent


def test_scores_of_data_see_it():
    assert choice("snip", "snip").sees_data and not choice("snip", "synflow").sees_data
