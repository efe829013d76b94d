"""The methods: the table, what flags are checked against, and pruning a model by one of them."""

from tf_tickets.methods.table import METHODS, Method, method_row

__all__ = ["METHODS", "Method", "method_row"]
