"""A network small enough to follow, batches for it, and a fresh strategy."""

from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn

from stn_action.batch import Batch
from stn_action.distributed import build_strategy
from stn_action.geometry.cells import Cells
from stn_action.models.prediction import Focus, Prediction

SIZE = 8
BASE = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]])


class LookingNetwork(nn.Module):
    """One window of half the side, moved by a linear layer; what lies there is classified."""

    def __init__(self, num_classes: int = 3, gain: float = 10.0) -> None:
        super().__init__()
        self.gain = gain
        self.trunk = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(6, num_classes)
        self.localization = nn.Linear(6 * SIZE * SIZE, 2, bias=False)
        with torch.no_grad():
            self.localization.weight.div_(gain)

    def localization_parameters(self) -> list[nn.Parameter]:
        return list(self.localization.parameters())

    def forward(
        self, clip: Tensor, theta: Sequence[Tensor] | None = None, extents: Tensor | None = None
    ) -> Prediction:
        x = torch.relu(self.norm(self.trunk(clip.float().mean(2) / 255)))  # (B, 6, H, W)
        if theta is None:
            center = torch.tanh(self.localization(x.flatten(1)) * self.gain) * 0.5
            one = torch.cat([BASE[:, :2].expand(len(clip), 2, 2), center[..., None]], 2)
            theta = [one[:, None, None]]
        center = theta[0][:, 0, 0, :, 2]
        place = torch.linspace(-1, 1, SIZE)
        weight_x = torch.softmax(-8 * (place - center[:, :1]).square(), 1)
        weight_y = torch.softmax(-8 * (place - center[:, 1:]).square(), 1)
        seen = (x * weight_y[:, None, :, None] * weight_x[:, None, None]).sum((2, 3))
        cells = Cells.centered((1, SIZE, SIZE), (int(clip.shape[2]), SIZE, SIZE))
        focus = Focus(theta[0], BASE[None], "trunk", cells, 0.1)
        return Prediction(self.classifier(self.dropout(seen)), (focus,), None)


def make_clips(
    num_clips: int,
    *,
    first_video: int = 0,
    views: int = 1,
    num_classes: int = 3,
    failures: list[tuple[int, str]] | None = None,
) -> Batch:
    """Random clips of two frames; `views` of each video, which has class video % num_classes."""
    generator = torch.Generator().manual_seed(100 + first_video)
    shape = (num_clips, 3, 2, SIZE, SIZE)
    clip = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    row = torch.arange(num_clips)
    video = first_video + row // views
    return Batch(
        clip=clip,
        target=video % num_classes,
        video=video,
        view=row % views,
        frame_indices=torch.stack([row, row + 1], 1),
        boxes=torch.rand(num_clips, 2, 4, generator=generator),
        extents=torch.tensor([-1.0, -1, 1, 1]).expand(num_clips, 2, 2, 4),
        failures=failures or [],
    )


@pytest.fixture
def looking_network() -> type[LookingNetwork]:
    return LookingNetwork


@pytest.fixture
def clips() -> Callable[..., Batch]:
    return make_clips


@pytest.fixture
def fresh_state() -> Iterator[None]:
    """Accelerate keeps its state for the whole process: start and end without any."""
    from accelerate.state import AcceleratorState, GradientState

    def reset() -> None:
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()

    reset()
    yield
    reset()


@pytest.fixture
def strategy(fresh_state: None):
    return build_strategy(cpu=True)
