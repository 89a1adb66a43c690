import pytest
import torch

from stn_action.data.augment import Augment
from stn_action.person.crop import View


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def jittered(augment: Augment, frames: torch.Tensor, drawn: torch.Generator) -> torch.Tensor:
    """Frames (T, 3, h, w) with other colors."""
    clip = frames.transpose(0, 1).contiguous()
    return augment.change_colors(clip, augment.draw_colors(drawn)).transpose(0, 1)


def gray_clip(levels: list[int]) -> torch.Tensor:
    return torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].repeat(1, 3, 4, 6)


def test_views_fill_the_range_of_shares_and_places():
    augment = Augment(scale=(0.4, 0.9))
    drawn = generator()
    views = [augment.draw_view(drawn) for _ in range(400)]
    shares = torch.tensor([view.share for view in views])
    places = torch.tensor([view.place_xy for view in views])
    assert 0.4 <= shares.min() < 0.42
    assert 0.88 < shares.max() <= 0.9
    assert (places.min(dim=0).values < 0.02).all()
    assert (places.max(dim=0).values > 0.98).all()
    assert 150 < sum(view.mirror for view in views) < 250


def test_mirroring_can_be_left_out_without_changing_the_other_draws():
    both = [Augment(hflip=share).draw_view(generator(2)) for share in (0.5, 0)]
    assert both[0].mirror
    assert both[1] == View(both[0].share, both[0].place_xy, mirror=False)


def test_the_same_generator_state_gives_the_same_clip():
    augment = Augment(color_jitter=0.4)
    clip = torch.randint(0, 256, (3, 3, 5, 7), dtype=torch.uint8)
    first = jittered(augment, clip, generator(3))
    assert torch.equal(first, jittered(augment, clip, generator(3)))
    assert not torch.equal(first, jittered(augment, clip, generator(4)))


def test_every_frame_gets_the_same_change_of_brightness():
    augment = Augment(color_jitter=0.5)
    clip = jittered(augment, gray_clip([40, 80, 100]), generator(2))
    factors = clip[:, 0, 0, 0].double() / torch.tensor([40, 80, 100])
    assert factors.std() < 0.02
    assert abs(float(factors.mean()) - 1) > 0.05


def test_saturation_leaves_gray_alone_and_moves_colors():
    augment = Augment(color_jitter=0.8)
    gray = gray_clip([40, 80])
    changed = jittered(augment, gray, generator()).int()
    assert (changed - changed[:, :1]).abs().max() <= 1  # the gray weights add up to 0.9999
    # drawn: more contrast, which cannot lift a channel from 0, and less saturation
    red = gray * torch.tensor([1, 0, 0], dtype=torch.uint8)[:, None, None]
    assert jittered(augment, red, generator())[:, 1:].min() > 5


def test_no_strength_changes_nothing():
    clip = torch.randint(0, 256, (3, 3, 5, 7), dtype=torch.uint8)
    assert torch.equal(jittered(Augment(), clip, generator()), clip)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": (0.0, 1.0)}, r"scale must be a range in \(0, 1\], got \(0.0, 1.0\)"),
        ({"scale": (0.9, 0.5)}, "scale must be a range"),
        ({"scale": (0.5, 1.5)}, "scale must be a range"),
        ({"color_jitter": 1.5}, r"color_jitter must be in \[0, 1\], got 1.5"),
        ({"hflip": -0.1}, r"hflip must be in \[0, 1\], got -0.1"),
    ],
)
def test_a_strength_out_of_range_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Augment(**settings)
