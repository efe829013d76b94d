"""Runs on disk, as data: found, read, checked, and sorted into what may be compared with what.

`load` finds runs, in directories or in a table that `run_table` has made of them; `experiments` sorts them by
setting; `verdicts`, `baselines` and `source_contrasts` compare within one setting. Nothing is executed or
unpickled: all that is read is JSON or CSV, and every name in it is data.

The words are those of trials and their statistics: arms, paired by their seeds; baselines, and controls,
which are baselines made for the comparison; contrasts of two arms; families of tests.
"""

from tf_tickets.results.analysis import Analysis
from tf_tickets.results.arms import Arm
from tf_tickets.results.baseline import DENSE, baselines, control_label
from tf_tickets.results.components import MATTERS, components
from tf_tickets.results.experiment import Experiment, experiments
from tf_tickets.results.factorial import factorials
from tf_tickets.results.found_runs import load
from tf_tickets.results.loaded_run import Run
from tf_tickets.results.margin import Margin
from tf_tickets.results.nulls import Nulls, nulls_of
from tf_tickets.results.protocol import Protocol, planned_analysis, protocols, read_protocol
from tf_tickets.results.reading import BROKEN, FINISHED, UNFINISHED
from tf_tickets.results.run_table import run_table
from tf_tickets.results.setting import Setting
from tf_tickets.results.shipping_grounds import Ground, shipping_grounds
from tf_tickets.results.source_contrast import SourceContrast, source_contrasts
from tf_tickets.results.variant import Variant
from tf_tickets.results.verdict import Verdict, leads_of, verdicts

__all__ = [
    "BROKEN",
    "DENSE",
    "FINISHED",
    "MATTERS",
    "UNFINISHED",
    "Analysis",
    "Arm",
    "Experiment",
    "Ground",
    "Margin",
    "Nulls",
    "Protocol",
    "Run",
    "Setting",
    "SourceContrast",
    "Variant",
    "Verdict",
    "baselines",
    "components",
    "control_label",
    "experiments",
    "factorials",
    "leads_of",
    "load",
    "nulls_of",
    "planned_analysis",
    "protocols",
    "read_protocol",
    "run_table",
    "shipping_grounds",
    "source_contrasts",
    "verdicts",
]
