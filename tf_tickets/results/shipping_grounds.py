"""What runs say of deployment, sorted by what it was measured on: nothing is merged across machines."""

from __future__ import annotations

import dataclasses

from tf_tickets.deployments.deployed import Deployment
from tf_tickets.results.arms import Arm
from tf_tickets.results.experiment import Experiment
from tf_tickets.support.words import plural


@dataclasses.dataclass(frozen=True, order=True)
class Ground:
    """What must be the same where milliseconds are compared.

    Attributes:
        machine: name of the processor.
        threads: that computed.
        batch: examples in a batch.
    """

    machine: str
    threads: int
    batch: int

    def __str__(self) -> str:
        return f"{self.machine}, {plural(self.threads, 'thread')}, batches of {self.batch}"


def shipping_grounds(experiment: Experiment) -> dict[Ground, dict[Arm, list[Deployment]]]:
    """Ground -> arm without a check -> tables of its runs; of runs that were not asked, none.

    Args:
        experiment: runs of one setting.
    """
    found: dict[Ground, dict[Arm, list[Deployment]]] = {}
    for arm, by_seed in experiment.arms.items():
        for run in by_seed.values():
            said = run.result.get("deployment")
            if said and arm.check is None:
                table = Deployment.from_dict(said)
                ground = Ground(table.machine, table.threads, table.batch)
                found.setdefault(ground, {}).setdefault(arm, []).append(table)
    return dict(sorted(found.items()))
