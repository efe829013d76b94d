"""The verdict on a method: its ticket and the attacked twins over paired seeds, and baselines beside them."""

from tf_tickets.laboratory.design import Design, define_flags, make_design
from tf_tickets.laboratory.findings import Findings
from tf_tickets.laboratory.investigation import designed, investigate, sanity_check
from tf_tickets.laboratory.plan_files import write_plan

__all__ = [
    "Design",
    "Findings",
    "define_flags",
    "designed",
    "investigate",
    "make_design",
    "sanity_check",
    "write_plan",
]
