"""The error that a user can mend."""


class UserError(Exception):
    """A mistake of the caller's, said in one line: what was found, where, and what to do about it.

    The command line prints the message and exits with 2.
    """
