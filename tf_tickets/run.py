"""`python -m tf_tickets.run`: one ticket from data to export."""

from tf_tickets.programs.run import entry_point

if __name__ == "__main__":
    entry_point()
