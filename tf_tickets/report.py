"""`python -m tf_tickets.report`: tables, figures and verdicts from run directories."""

from tf_tickets.programs.report import entry_point

if __name__ == "__main__":
    entry_point()
