"""Exporting a pruned model to plain files, and proving that they give the same outputs."""

from typing import TYPE_CHECKING

from tf_tickets.support.late import late_names

if TYPE_CHECKING:  # `X as X`: type checkers take it as public
    from tf_tickets.exporting.exports import Exported as Exported
    from tf_tickets.exporting.exports import export as export
    from tf_tickets.exporting.formats import FORMATS as FORMATS
    from tf_tickets.exporting.formats import Format as Format
    from tf_tickets.exporting.verification import Verification as Verification
    from tf_tickets.exporting.verification import verify_saved_model as verify_saved_model

# Public name -> where it is: the table is read without TensorFlow.
_PUBLIC = {
    "Exported": "tf_tickets.exporting.exports:Exported",
    "FORMATS": "tf_tickets.exporting.formats:FORMATS",
    "Format": "tf_tickets.exporting.formats:Format",
    "Verification": "tf_tickets.exporting.verification:Verification",
    "export": "tf_tickets.exporting.exports:export",
    "verify_saved_model": "tf_tickets.exporting.verification:verify_saved_model",
}

__all__ = list(_PUBLIC)

__getattr__, __dir__ = late_names(__name__, _PUBLIC)
