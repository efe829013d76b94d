"""`python -m tf_tickets`: which programs there are."""

from tf_tickets.programs.overview import entry_point

if __name__ == "__main__":
    entry_point()
