"""The one exception that means: what the user gave is wrong."""


class InputError(ValueError):
    """A mistake in what the user gave: a file, a configuration key, a name.

    The message names the file or key, says what was expected and what to do. Tools print it
    without a traceback and end with exit status 2; anything else is a defect of this project.
    """
