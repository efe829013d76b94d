"""`python -m tf_tickets.report`: tables, figures and verdicts from run directories.

Imported, it is the function `tt.report`.
"""

import sys

if __name__ == "__main__":
    from tf_tickets.programs.report import entry_point

    entry_point()
else:
    from tf_tickets.programs.calls import report

    sys.modules[__name__] = report  # type: ignore[assignment]
