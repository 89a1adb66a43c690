"""A check of the installation: what works on this machine, what is missing, what is broken."""

import platform
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Literal, get_args

import stn_action
from stn_action.errors import InputError
from stn_action.extras import EXTRAS, MissingExtraError, missing_extra, needs_extra
from stn_action.video.video_choices import Backend

State = Literal["ok", "missing", "broken"]
BASE = ("torch", "torchvision", "numpy", "pillow", "pydantic", "PyYAML", "safetensors", "rich")
DISTRIBUTIONS = {"cv2": "opencv-python"}
"""Of imports that are called otherwise."""
FRAMES, HEIGHT, WIDTH = 12, 64, 96
"""Of the clip that is written and decoded."""
NUM_STEPS = 8
"""Of training, on one batch: its loss must have fallen."""
TOLERANCE = 6.0
"""Mean difference of a decoded clip from what was written, in levels of 255."""


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    state: State
    name: str
    detail: str

    def __str__(self) -> str:
        """Return a line."""
        return f"{self.state:<7} {self.name}: {self.detail}"


def examine(folder: Path | None = None) -> Iterator[Finding]:
    """Check versions, extras, GPU, readers, detectors and a step of training, one by one.

    Args:
        folder: for the generated clip; None: a temporary one.

    Yields:
        A finding for each check, as soon as it is known.
    """
    yield found("python", lambda: f"{platform.python_version()}, {sys.executable}")
    yield found("packages", _versions)
    for extra in dict.fromkeys(EXTRAS.values()):
        yield found(f"extra {extra}", partial(_extra, extra))
    yield found("GPU", _gpu)
    own = Path(tempfile.mkdtemp(prefix="stn_action-")) if folder is None else folder
    try:
        clip = own / "clip.mp4"
        yield found("writing a clip", partial(_write_clip, clip))
        for backend in get_args(Backend):
            yield found(f"reader {backend}", partial(_read_clip, backend, clip))
    finally:
        if folder is None:
            shutil.rmtree(own, ignore_errors=True)
    yield found("detectors", _detectors)
    yield found("tracker", _tracker)
    yield found("a step of training", _training_step)


def found(name: str, check: Callable[[], str]) -> Finding:
    """Return the finding of a check.

    Args:
        name: of what is checked.
        check: returns what there is to tell; raises what is wrong.
    """
    try:
        with warnings.catch_warnings():  # libraries' own, of their versions
            warnings.simplefilter("ignore")
            return Finding("ok", name, check())
    except MissingExtraError as error:
        return Finding("missing", name, str(error))
    except Exception as error:  # noqa: BLE001  (what is broken can raise anything)
        message = missing_extra(error) if isinstance(error, ImportError) else None
        if message is not None:
            return Finding("missing", name, message)
        text = " ".join(str(error).split())[:300] or "no reason given"
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        return Finding("broken", name, f"{kind}{text}")


def _versions() -> str:
    own = f"stn_action {stn_action.__version__}"
    return ", ".join([own, *(f"{name} {version(name)}" for name in BASE)])


def _extra(extra: str) -> str:
    """Return the versions of an extra's packages; raise if one is missing or cannot be loaded."""
    told = []
    for package in (name for name, own in EXTRAS.items() if own == extra):
        with needs_extra("its packages"):
            import_module(package)
        told.append(f"{package} {_version_of(package)}")
    return ", ".join(told)


def _version_of(package: str) -> str:
    module_version = getattr(sys.modules[package], "__version__", None)
    return module_version or version(DISTRIBUTIONS.get(package, package))


def _gpu() -> str:
    import torch

    from stn_action.distributed import precision_on

    if not torch.cuda.is_available():
        return f"none, the CPU computes ({torch.get_num_threads()} threads)"
    names = {torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
    total = torch.ones(64, 64, device="cuda").matmul(torch.ones(64, 64, device="cuda")).sum()
    if total.item() != 64**3:
        raise InputError(f"a product of matrices is {total.item()}, expected {64**3}")
    return f"{torch.cuda.device_count()} x {', '.join(names)}, {precision_on('cuda', 'auto')}"


def _images():
    import numpy as np

    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    shades = np.stack([rows * 3, columns * 2, rows + columns], -1).clip(0, 255).astype(np.uint8)
    return [np.roll(shades, 2 * index, 1) for index in range(FRAMES)]


def _write_clip(clip: Path) -> str:
    from stn_action.video.writer import write_video

    write_video(clip, _images(), fps=25)
    return f"{FRAMES} frames of {WIDTH}x{HEIGHT}, H.264"


def _read_clip(backend: Backend, clip: Path) -> str:
    import numpy as np

    with needs_extra("decoding"):
        import_module({"pyav": "av", "opencv": "cv2"}.get(backend, backend))
    from stn_action.video.backend_table import open_video

    if not clip.is_file():
        raise InputError("no clip could be written that it might read")
    with open_video(clip, backend) as video:
        frames = video.read(range(len(video))).data.permute(0, 2, 3, 1).numpy()
    if frames.shape != (FRAMES, HEIGHT, WIDTH, 3):
        raise InputError(f"expected {FRAMES} frames of {WIDTH}x{HEIGHT}, got {frames.shape}")
    error = float(np.abs(frames.astype(float) - np.stack(_images())).mean())
    if not error < TOLERANCE:
        raise InputError(f"the decoded clip differs by {error:.1f} levels from what was written")
    return f"{FRAMES} frames, {error:.1f} levels from what was written"


def _detectors() -> str:
    import torch
    from torchvision.models import detection, list_models
    from torchvision.ops import nms

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 10, 10], [20, 20, 30, 30]])
    if nms(boxes, torch.tensor([0.5, 0.9, 0.7]), 0.5).tolist() != [1, 2]:
        raise InputError("torchvision's nms gives a wrong result; torch and torchvision disagree")
    with needs_extra("detectors in ONNX files"):
        import cv2

    number = len(list_models(module=detection))
    loads = hasattr(cv2.dnn, "readNetFromONNX")
    cached = any(Path(torch.hub.get_dir(), "checkpoints").glob("fasterrcnn*"))
    weights = "weights are there" if cached else "weights are downloaded at first use"
    return f"{number} of torchvision ({weights}); ONNX files {'yes' if loads else 'no'}"


def _tracker() -> str:
    import torch

    from stn_action.person.detectors.detector_base import Detections
    from stn_action.person.tracker import DetectedFrame, track_people

    box, score = torch.tensor([[10.0, 10, 40, 90]]), torch.tensor([0.9])
    walk = [DetectedFrame(frame, Detections(box + 2 * frame, score)) for frame in range(10)]
    tubes = track_people(walk, detections_per_second=25)
    if len(tubes) != 1:
        raise InputError(f"one person that walks is tracked as {len(tubes)}; expected 1")
    return f"one person that walks is followed over {len(tubes[0].frame_indices)} frames"


def _training_step() -> str:
    import torch

    from stn_action.models.backbones.small3d import Small3d
    from stn_action.models.plug import plug
    from stn_action.training.optim import clip_gradients, parameter_groups

    device = "cuda" if torch.cuda.is_available() else "cpu"
    losses = []
    with torch.random.fork_rng():  # dropout draws, too: the same losses each time
        torch.manual_seed(0)
        network = plug(Small3d(), "stage3", heads=2, num_classes=3).to(device)
        clips, targets = torch.rand(4, 3, 8, 48, 48, device=device), torch.arange(4) % 3
        groups = parameter_groups(network, lr=0.01, relative_lr=1e-3, weight_decay=0)
        optimizer = torch.optim.SGD(groups, momentum=0.9)
        for _ in range(NUM_STEPS):
            prediction = network(clips)
            loss = torch.nn.functional.cross_entropy(prediction.logits, targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            clip_gradients(optimizer.param_groups, clip_localization_norm=0.1)
            optimizer.step()
            losses.append(loss.item())
    if not losses[-1] < losses[0]:
        raise InputError(f"the loss of one batch went from {losses[0]:.3f} to {losses[-1]:.3f}")
    return f"two heads on {device}, the loss went from {losses[0]:.3f} to {losses[-1]:.3f}"
