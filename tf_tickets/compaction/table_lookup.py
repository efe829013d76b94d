"""`Embedding`: channels from a table."""

from collections.abc import Sequence

import numpy as np

from tf_tickets.compaction.rule import Rule, Shrunk, has_adapters
from tf_tickets.compaction.site import Facts, Kept, Need, Site


class Table(Rule):
    """Each channel is a column; one that has the same value in all rows is constant."""

    weights = ("embeddings",)

    def unknown(self, site: Site) -> str | None:
        return has_adapters(site.layer)

    def constants(self, site: Site, given: Sequence[Facts]) -> list[Facts]:
        table = site.weights["embeddings"]
        return [Facts.of((table == table[0]).all(0), table[0])]

    def needs(self, site: Site, given: Sequence[Facts], wanted: Sequence[np.ndarray]) -> list[Need]:
        return [Need.everything(channels) for channels in site.sizes[0]]

    def shrink(self, site: Site, given: Sequence[Facts], kept: Kept) -> Shrunk:
        table = site.weights["embeddings"][:, kept.outputs[0]]
        return Shrunk({"output_dim": table.shape[1]}, {"embeddings": table})


TABLE = Table()
