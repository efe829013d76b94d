"""The table of ratios: its columns, and what is said of ratios that have no row."""

import subprocess
import sys

import numpy as np
import pytest

from tf_tickets.pruning.choices import FAMILIES
from tf_tickets.pruning.ratios import RATIOS, named_rule, ranks_all

SHAPES = [(3, 3, 8, 16), (3, 3, 16, 16), (3, 3, 16, 16), (16, 10)]


@pytest.mark.parametrize("name", sorted(RATIOS))
class TestEveryRule:
    def test_has_a_form_for_every_family_that_it_names(self, name):
        rule = RATIOS[name]
        densities = [tuple(rule.densities(SHAPES, family)) for family in FAMILIES]
        assert rule.families in ((), FAMILIES)
        assert rule.families or len(set(densities)) == 1

    def test_keeps_the_first_layer_whole_where_its_row_says_so(self, name):
        rule, sizes = RATIOS[name], np.array([1152, 2304, 2304, 160])
        counts = rule.pour(rule.densities(SHAPES, "resnet"), sizes, 2000.0)
        assert (counts[0] == sizes[0]) == rule.dense_first


@pytest.mark.parametrize("ratios", [[0.5, 1.0], np.ones(3), {"a": 0.5}, "clever", None, 3, ("global",)])
def test_what_is_no_name_has_no_row_and_ranks_nothing(ratios):
    assert named_rule(ratios) is None and not ranks_all(ratios)


def test_a_global_ranking_is_no_rule():
    assert ranks_all("global") and named_rule("global") is None


@pytest.mark.slow
def test_tables_are_read_and_checked_without_tensorflow():
    program = (
        "import sys, tf_tickets as tt\n"
        "from tf_tickets.methods.choice import Choice\n"
        "from tf_tickets.pruning.scores import check_options, score_row\n"
        "for method in tt.METHODS.values():\n"
        "    choice = Choice(method, score_row(method.score), method.ratios)\n"
        "    check_options(choice.score, {})\n"
        "    choice.takes_classifier_keep, choice.has_families, choice.sees_data\n"
        "assert 'smart' in tt.pruning.RATIOS and 'snip' in tt.pruning.SCORES and tt.models.MODELS\n"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
