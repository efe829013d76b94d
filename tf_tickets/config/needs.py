"""For which methods an option means anything."""

from tf_tickets.methods.choice import Choice
from tf_tickets.methods.table import REWOUND
from tf_tickets.pruning.choices import GLOBAL
from tf_tickets.support.options import Need


def _by_ratios_of_layers(chosen: Choice) -> bool:
    return chosen.row.draws or (chosen.row.prunes and chosen.row.ratios != GLOBAL)


PRUNES = Need(lambda chosen: chosen.row.prunes, "prunes")
DRAWS = Need(lambda chosen: chosen.row.draws, "prunes by drawing a ticket")
DRAWS_TO_STAY = Need(
    lambda chosen: chosen.row.draws and chosen.row.search is None,
    "prunes by drawing a ticket and does not move its masks while it trains",
)
AIMS = Need(lambda chosen: chosen.row.aims or not chosen.row.prunes, "ends at a sparsity that is asked for")
REWINDS = Need(lambda chosen: chosen.row.start_from == REWOUND, "rewinds to an epoch")
BY_LAYERS = Need(_by_ratios_of_layers, "prunes by ratios of layers")
HAS_FAMILIES = Need(lambda chosen: chosen.has_families, "uses smart ratios")
SETS_APART = Need(
    lambda chosen: chosen.row.draws and chosen.takes_classifier_keep, "uses global or smart ratios"
)
FILLS_LAYERS = Need(lambda chosen: chosen.row.draws and not chosen.ranks, "uses ratios of layers")
DRAWS_RANDOMLY = Need(
    lambda chosen: chosen.independent and not chosen.ranks, "draws random masks by ratios of layers"
)
SEES_DATA = Need(lambda chosen: chosen.sees_data, "scores on data")
GAINS_BY_ROUNDS = Need(
    lambda chosen: chosen.iterates,
    "gains by rounds: it trains between them, or its score sees the masks",
)
KEEPS_ITS_MASKS = Need(lambda chosen: chosen.row.search is None, "does not move its masks while it trains")
SEARCHES = Need(lambda chosen: chosen.row.search is not None, "searches while it trains")
GROWS = Need(lambda chosen: chosen.grows, "grows weights again")
