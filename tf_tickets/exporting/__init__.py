"""Exporting a pruned model to plain files, and proving that they give the same outputs."""

from tf_tickets.exporting.export import FORMATS, export
from tf_tickets.exporting.verify import Verification, verify_saved_model

__all__ = ["FORMATS", "Verification", "export", "verify_saved_model"]
