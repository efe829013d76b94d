"""What a run is told: options, flags, the frozen Config, and what is refused before work starts."""

from tf_tickets.config.config import Config, check_flags, make_config, run_name
from tf_tickets.config.flag_definitions import GROUPS, define_flags
from tf_tickets.config.loading import load_data

__all__ = ["GROUPS", "Config", "check_flags", "define_flags", "load_data", "make_config", "run_name"]
