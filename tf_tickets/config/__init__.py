"""What a run is told: options, flags, the frozen Config, and what is refused before work starts."""

from tf_tickets.config.additions import check_known_elsewhere
from tf_tickets.config.config import (
    OPTIONS,
    Config,
    digest,
    fields_that_decide,
)
from tf_tickets.config.derived import check_model_code
from tf_tickets.config.donors import donor_of
from tf_tickets.config.flags import FLAGS, RECIPE_OPTIONS, define_flags
from tf_tickets.config.keywords import flag_values
from tf_tickets.config.loading import load_data
from tf_tickets.config.making import make_config, plan_config, unused_fields
from tf_tickets.config.names import run_name
from tf_tickets.config.refusals import (
    check_flags,
    check_own_names,
    check_places,
    imports_own_code,
    says_nothing,
    useless_flags,
)
from tf_tickets.config.run_options import DEFAULT_SPARSITY
from tf_tickets.config.sameness import changed_code, essence, identity_in
from tf_tickets.support.options import GROUPS

__all__ = [
    "DEFAULT_SPARSITY",
    "FLAGS",
    "GROUPS",
    "OPTIONS",
    "RECIPE_OPTIONS",
    "Config",
    "changed_code",
    "check_flags",
    "check_known_elsewhere",
    "check_model_code",
    "check_own_names",
    "check_places",
    "define_flags",
    "digest",
    "donor_of",
    "essence",
    "fields_that_decide",
    "flag_values",
    "identity_in",
    "imports_own_code",
    "load_data",
    "make_config",
    "plan_config",
    "run_name",
    "says_nothing",
    "unused_fields",
    "useless_flags",
]
