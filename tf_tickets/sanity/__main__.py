"""`python -m tf_tickets.sanity`: does a pruning method use the data, and the connections that it chooses?"""

from tf_tickets.programs.sanity import entry_point

if __name__ == "__main__":
    entry_point()
