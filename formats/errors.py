"""The errors that have a line of their own: what a user can mend, and a broken contract."""


class UserError(Exception):
    """A mistake of the caller's, said in one line: what was found, where, and what to do about it.

    The command line prints the message and exits with 2.
    """


class ContractError(Exception):
    """The stop contract does not hold, so that no training may start; the message says why in one line. Exit code 1."""
