"""The exceptions for mistakes of the user, and for work that was asked to stop."""


class InputError(ValueError):
    """A mistake in what the user gave: a file, a configuration key, a name.

    The message names the file or key, states what was expected and what to do. Tools print it
    without a traceback and end with exit status 2; anything else is a defect of this project.
    """


class Stopped(KeyboardInterrupt):
    """The end of work that was asked to stop, after it has saved how far it came.

    Tools print the message, and how to continue.
    """

    def __init__(self, message: str, *, signal: int) -> None:
        """Build the exception.

        Args:
            message: how far the work came.
            signal: the number of the signal that asked.
        """
        super().__init__(message)
        self.signal = signal
