"""`python -m tf_tickets.sweep`: a grid of runs, several at a time, shared work once."""

from tf_tickets.programs.sweep import entry_point

if __name__ == "__main__":
    entry_point()
