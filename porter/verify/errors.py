"""What can go wrong in a worker other than the user's code."""


class Unavailable(RuntimeError):
    """A backend cannot run here. The message says why, and what to do about it."""


class BadCase(ValueError):
    """A factory returned something that is no case. The message names the key."""
