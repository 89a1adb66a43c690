"""The view, the colors and other changes of pixels of a training clip."""

import numpy as np
import pytest
import torch

from stn_action.data.augment import PIXEL_STEPS, Augment
from stn_action.data.footage import Cut, Footage, read_views
from stn_action.data.photometric import AugMix, Blur, ColorJitter, RandAugment, RandomErasing
from stn_action.data.view_draws import MultiScaleCrop, RandomResizedCrop
from stn_action.person.crop import CropSpec, View
from stn_action.video.frame_array import FrameArray

STEPS = {
    "color_jitter": ColorJitter(0.4, 0.4, 0.4, hue=0.2),
    "rand_augment": RandAugment(num_ops=2, magnitude=20),
    "aug_mix": AugMix(severity=5),
    "grayscale": 1.0,
    "blur": Blur(p=1.0),
    "random_erasing": RandomErasing(p=1.0),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def changed(augment: Augment, clip: torch.Tensor, drawn: torch.Generator) -> torch.Tensor:
    """A clip (3, T, h, w) with the changes that a generator draws."""
    return augment.change_pixels(clip, augment.draw_pixels(drawn), (10, 20, 30))


def jittered(strength: float, frames: torch.Tensor, drawn: torch.Generator) -> torch.Tensor:
    """Frames (T, 3, h, w) with other colors."""
    augment = Augment(color_jitter=ColorJitter(strength, strength, strength))
    return changed(augment, frames.transpose(0, 1).contiguous(), drawn).transpose(0, 1)


def gray_clip(levels: list[int]) -> torch.Tensor:
    return torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].repeat(1, 3, 4, 6)


def still_clip() -> torch.Tensor:
    """One noisy image (3, 4, 12, 16) four times: alike in all frames while changes are."""
    image = torch.randint(40, 216, (3, 1, 12, 16), generator=generator(), dtype=torch.uint8)
    return image.repeat(1, 4, 1, 1)


def test_views_fill_the_range_of_shares_and_places():
    augment = Augment(scale=(0.4, 0.9))
    drawn = generator()
    views = [augment.draw_view((30, 20), drawn) for _ in range(400)]
    shares = torch.tensor([view.share for view in views])
    places = torch.tensor([view.place_xy for view in views])
    assert 0.4 <= shares.min() < 0.42
    assert 0.88 < shares.max() <= 0.9
    assert (places.min(dim=0).values < 0.02).all()
    assert (places.max(dim=0).values > 0.98).all()
    assert 150 < sum(view.mirror for view in views) < 250
    assert {view.ratio for view in views} == {1.0}


def test_mirroring_can_be_left_out_without_changing_the_other_draws():
    both = [Augment(hflip=share).draw_view((1, 1), generator(2)) for share in (0.5, 0)]
    assert both[0].mirror
    assert both[1] == View(both[0].share, both[0].place_xy, mirror=False)


def test_a_crop_of_another_shape_takes_the_place_of_the_scale_and_is_mirrored():
    crop = MultiScaleCrop(scales=(0.5,))
    augment = Augment(multi_scale_crop=crop, hflip=1.0)
    view = augment.draw_view((30, 20), generator(1))
    assert (view.share, view.ratio, view.mirror) == (0.5, 1.0, True)
    assert view.place_xy == crop.draw((30, 20), generator(1)).place_xy
    with pytest.raises(ValueError, match="exclude each other"):
        Augment(multi_scale_crop=crop, random_resized_crop=RandomResizedCrop())


def test_the_same_generator_state_gives_the_same_clip():
    clip = torch.randint(0, 256, (3, 3, 5, 7), dtype=torch.uint8)
    first = jittered(0.4, clip, generator(3))
    assert torch.equal(first, jittered(0.4, clip, generator(3)))
    assert not torch.equal(first, jittered(0.4, clip, generator(4)))


def test_every_frame_gets_the_same_change_of_brightness():
    clip = jittered(0.5, gray_clip([40, 80, 100]), generator(2))
    factors = clip[:, 0, 0, 0].double() / torch.tensor([40, 80, 100])
    assert factors.std() < 0.02
    assert abs(float(factors.mean()) - 1) > 0.05


def test_clips_that_are_changed_in_parts_are_as_changed_as_a_whole(monkeypatch):
    frames = torch.randint(0, 256, (5, 3, 8, 10), dtype=torch.uint8, generator=generator())
    jitter = Augment(color_jitter=ColorJitter(0.4, 0.4, 0.4, hue=0.2))
    clip = frames.transpose(0, 1).contiguous()
    whole = changed(jitter, clip, generator(1))
    monkeypatch.setattr("stn_action.data.augment.NUMBERS_AT_ONCE", 2 * frames[0].numel())
    assert torch.equal(changed(jitter, clip, generator(1)), whole)


def test_saturation_leaves_gray_alone_and_moves_colors():
    gray = gray_clip([40, 80])
    moved = jittered(0.8, gray, generator()).int()
    assert (moved - moved[:, :1]).abs().max() <= 1  # the gray weights add up to 0.9999
    # drawn: more contrast, which cannot lift a channel from 0, and less saturation
    red = gray * torch.tensor([1, 0, 0], dtype=torch.uint8)[:, None, None]
    assert jittered(0.8, red, generator())[:, 1:].min() > 5


def test_no_strength_changes_nothing():
    clip = torch.randint(0, 256, (3, 3, 5, 7), dtype=torch.uint8)
    for jitter in (None, ColorJitter(), ColorJitter(0.5, p=0.0)):
        assert torch.equal(changed(Augment(color_jitter=jitter), clip, generator()), clip)


def test_plain_jitter_draws_three_numbers_and_further_steps_one_seed():
    drawn, plain = generator(), generator()
    Augment(color_jitter=ColorJitter(0.2, 0.2, 0.2)).draw_pixels(drawn)
    torch.rand(3, generator=plain)
    assert torch.equal(drawn.get_state(), plain.get_state())
    assert Augment(blur=Blur()).draw_pixels(generator()).seed > 0


@pytest.mark.parametrize("name", PIXEL_STEPS)
def test_each_step_is_drawn_once_for_all_frames_and_leaves_the_global_generator_alone(name):
    clip, augment = still_clip(), Augment(**{name: STEPS[name]})
    before = torch.get_rng_state()
    several = [changed(augment, clip, generator(seed)) for seed in range(4)]
    assert torch.equal(torch.get_rng_state(), before)
    for result in several:
        assert (result.shape, result.dtype) == (clip.shape, torch.uint8)
        assert result.is_contiguous()
        assert torch.equal(result, result[:, :1].expand_as(result))
    assert any(not torch.equal(result, clip) for result in several)
    assert torch.equal(several[0], changed(augment, clip, generator(0)))


@pytest.mark.parametrize("step", [RandAugment(4, magnitude=30), AugMix(severity=10)])
def test_no_operation_moves_pixels(step):
    clip = torch.zeros(3, 1, 9, 9, dtype=torch.uint8)
    clip[:, :, 4, 4] = 200
    name = "rand_augment" if isinstance(step, RandAugment) else "aug_mix"
    for seed in range(30):
        result = changed(Augment(**{name: step}), clip, generator(seed))[0, 0].int()
        far = result.clone()
        far[3:6, 3:6] = far[0, 0]  # what sharpness may reach
        assert (far == far[0, 0]).all(), seed


def test_erasing_fills_one_rectangle_of_all_frames_with_the_color_of_padding():
    clip = torch.full((3, 2, 20, 30), 255, dtype=torch.uint8)
    erasing = RandomErasing(p=1.0, scale=(0.1, 0.1), ratio=(1.0, 1.0))
    result = changed(Augment(random_erasing=erasing), clip, generator())
    gone = (result == torch.tensor([10, 20, 30])[:, None, None, None]).all(0)
    assert gone.sum((1, 2)).tolist() == [64, 64]  # 8 x 8 of 60 pixels
    assert (result[:, ~gone] == 255).all()


def test_steps_come_in_the_order_that_is_given():
    clip = torch.full((3, 1, 20, 30), 255, dtype=torch.uint8)
    steps = {"grayscale": 1.0, "random_erasing": RandomErasing(1.0, (0.1, 0.1), (1.0, 1.0))}
    usual = changed(Augment(**steps), clip, generator())
    other = changed(Augment(**steps, order=("random_erasing",)), clip, generator())
    colors = [len(result.flatten(1).unique(dim=1).sum(0).unique()) for result in (usual, other)]
    assert colors == [2, 2]
    assert (usual[0] != usual[2]).any()  # erased in a color, after it was gray
    assert (other[0] == other[2]).all()


@pytest.mark.parametrize("crop", [RandomResizedCrop((0.3, 0.6)), MultiScaleCrop((0.8, 0.6))])
def test_boxes_of_a_crop_that_is_mirrored_are_where_its_pixels_come_from(crop):
    name = "random_resized_crop" if isinstance(crop, RandomResizedCrop) else "multi_scale_crop"
    augment = Augment(hflip=1.0, **{name: crop})
    y, x = np.mgrid[:60, :90].astype(np.uint8)
    frames = np.stack([2 * x, 4 * y, np.zeros_like(x)], axis=2)[None]  # red tells x, green y
    footage = Footage(torch.tensor([[0]]), (60, 90), (), "longest", CropSpec((20, 30)))
    region = footage.region(None)
    cuts = [Cut(0, None, region, augment.draw_view((90, 60), generator(seed))) for seed in range(6)]
    views = read_views(FrameArray(frames), footage, cuts)
    assert len({round(view.cut.view.ratio, 3) for view in views}) > 1
    for view in views:
        left, top, right, bottom = view.edges[0].tolist()
        assert left > right
        at_x = left + (torch.arange(30) + 0.5) / 30 * (right - left) - 0.5  # of pixel centers
        at_y = top + (torch.arange(20) + 0.5) / 20 * (bottom - top) - 0.5
        red, green = view.clip[0, 0].float(), view.clip[1, 0].float()
        inner = slice(2, -2)  # resizing repeats the outermost pixels
        assert (red[:, inner] - 2 * at_x[inner]).abs().max() <= 1
        assert (green[inner] - 4 * at_y[inner, None]).abs().max() <= 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": (0.0, 1.0)}, r"scale must be a range in \(0, 1\], got \(0.0, 1.0\)"),
        ({"scale": (0.9, 0.5)}, "scale must be a range"),
        ({"scale": (0.5, 1.5)}, "scale must be a range"),
        ({"hflip": -0.1}, r"hflip must be in \[0, 1\], got -0.1"),
        ({"grayscale": 1.1}, r"grayscale must be in \[0, 1\], got 1.1"),
    ],
)
def test_a_strength_out_of_range_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Augment(**settings)
