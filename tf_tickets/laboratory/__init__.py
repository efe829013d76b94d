"""The verdict on a method: its ticket and the attacked twins over paired seeds, and baselines beside them."""

from tf_tickets.laboratory.design import define_flags, make_plan
from tf_tickets.laboratory.findings import Findings
from tf_tickets.laboratory.investigation import investigate, sanity_check

__all__ = ["Findings", "define_flags", "investigate", "make_plan", "sanity_check"]
