"""Errors of storage."""


class NotOurs(ValueError):
    """A directory that this run must not write to, or a file in it that is not what a run left there."""
