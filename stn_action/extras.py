"""The extras of the package: which one installs a library, and the error where it is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from stn_action.errors import InputError

EXTRAS = {
    "av": "video", "cv2": "video", "decord": "video", "matplotlib": "video",
    "accelerate": "train", "tensorboard": "train", "torchmetrics": "train",
    "scipy": "people", "supervision": "people", "trackers": "people",
    "huggingface_hub": "hf", "transformers": "hf",
    "pytorchvideo": "hub", "timm": "hub",
    "h5py": "paper",
    "requests": "download", "urllib3": "download",
    "onnx": "export", "onnxruntime": "export", "onnxscript": "export",
}  # fmt: skip
"""Packages, as they are imported, and the extra of `stn_action` that installs them."""


class MissingExtraError(InputError, ImportError):
    """A library that an extra of the package installs, and that is not installed."""

    def __init__(self, message: str, *, name: str | None = None) -> None:
        """Build the exception.

        Args:
            message: names the library and the extra.
            name: the module that was not found.
        """
        super().__init__(message)
        self.name = name


def missing_extra(error: ImportError) -> str | None:
    """Return the message about a library that is not installed; None: no extra installs it."""
    library = (error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or library not in EXTRAS:
        return None
    return f"{library} is not installed: pip install 'stn_action[{EXTRAS[library]}]'"


@contextmanager
def needs_extra(what: str) -> Iterator[None]:
    """Import libraries of an extra in the block.

    Args:
        what: needs them, for the message.

    Raises:
        MissingExtraError: one is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        message = missing_extra(error)
        if message is None:
            raise
        raise MissingExtraError(f"{what}: {message}", name=error.name) from None
