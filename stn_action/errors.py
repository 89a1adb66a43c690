"""The exception for mistakes of the user."""


class InputError(ValueError):
    """A mistake in what the user gave: a file, a configuration key, a name.

    The message names the file or key, states what was expected and what to do. Tools print it
    without a traceback and end with exit status 2; anything else is a defect of this project.
    """
