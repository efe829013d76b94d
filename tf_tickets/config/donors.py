"""The donor of a run: where a check asks for one, the ticket that says how many weights each layer keeps."""

from __future__ import annotations

import dataclasses

from tf_tickets.config.config import Config, digest
from tf_tickets.config.sameness import find_same
from tf_tickets.sanity.checks import CHECKS, CLEAN
from tf_tickets.storage import urls
from tf_tickets.storage.directories import DONOR
from tf_tickets.storage.views import View
from tf_tickets.support.words import did_you_mean


def donor_of(config: Config, view: View | None = None) -> Config | None:
    """The config of a run's donor: the same in all, but under the check that counts are taken from.

    Its ticket is found in a folder of the run. Its dense training is the one that runs under that check
    share; where that is not the run's own, it lies beside it.

    Args:
        config: of the run.
        view: of the folder of the runs; it is looked at anew where there is none.

    Returns:
        None where the counts are the run's own.

    Raises:
        ValueError: the check names another that there is not, or that takes its counts elsewhere itself.
    """
    name = config.check.counts_under
    if name is None:
        return None
    if name != CLEAN and (name not in CHECKS or CHECKS[name].counts_under is not None):
        fitting = [CLEAN, *(check for check, row in CHECKS.items() if row.counts_under is None)]
        raise ValueError(
            f"--sanity_check={config.sanity_check}: counts_under={name!r} is unknown, or takes its counts "
            f"elsewhere itself.{did_you_mean(name, fitting)} Choose one of: {', '.join(fitting)}."
        )
    donor = dataclasses.replace(
        config,
        sanity_check=None if name == CLEAN else name,
        check_code=None,
        run_dir=urls.join(config.run_dir, DONOR),
        export=(),
        deployment=False,
    )
    if donor.dense_identity == config.dense_identity:
        return donor
    folder = urls.parent(config.dense_dir)
    name = find_same(folder, digest(donor.dense_identity), donor.dense_identity, view)
    return dataclasses.replace(donor, dense_dir=urls.join(folder, name))
