"""Errors of storage."""


class NotOurs(ValueError):
    """A directory that this run must not write to."""
