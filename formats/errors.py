"""The errors that have a line of their own: what a user can mend, a broken contract, and a training that had to stop."""


class UserError(Exception):
    """A mistake of the caller's, said in one line: what was found, where, and what to do about it.

    The command line prints the message and exits with 2.
    """


class ContractError(Exception):
    """The stop contract does not hold, so that no training may start; the message says why in one line. Exit code 1."""


class TrainingError(Exception):
    """A training had to stop (memory, disk, a loss that is no number, a signal); the message says where and what to change. Exit code 1."""
