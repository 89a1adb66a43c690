"""The crop of a configuration in the data sets of a run: box errors, padding, what is beyond."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from stn_action.batch import collate
from stn_action.build.crop_settings import crop_of, describe_boxes, mean_color_of
from stn_action.build.data import evaluation_dataset, load_listing, training_dataset
from stn_action.data.clips import ClipDataset
from stn_action.geometry.boxes import box_areas, shared_areas
from stn_action.person.box_error import BoxErrors, boxes_with_error
from stn_action.person.crop import CropSpec
from tests.tiny import SIZE_HW, tiny_config

STRONG = ["data.crop.box_error=strong", "data.crop.box_jitter=0", "data.crop.smooth_window=1"]


def compare_boxes(dataset: ClipDataset, workers: int, error_of: Callable[[str], Tensor]) -> int:
    """Compare the people's boxes in all clips with the true ones; return the number of clips.

    They are computed from what the network is given: extents, and edges of the clip.
    """
    number = 0
    loader = DataLoader(dataset, batch_size=3, collate_fn=collate, num_workers=workers)
    for sample in (sample for batch in loader for sample in zip(*batch[:7], strict=True)):
        _, _, video, _, frame_indices, edges, extents = sample
        size = (edges[:, 2:] - edges[:, :2]).repeat(1, 2)
        boxes = edges[:, :2].repeat(1, 2) + (extents[:, 1] + 1) / 2 * size
        boxes = boxes[:, [2, 1, 0, 3]] if edges[0, 0] > edges[0, 2] else boxes
        found = dataset.source.people_in(int(video))
        true = torch.tensor([[0.0, 0, SIZE_HW[1], SIZE_HW[0]]])
        if found is not None:
            true = found.tubes_in(SIZE_HW)[0].boxes_at(frame_indices)
            true = boxes_with_error(true, error_of(dataset.source.videos[int(video)].name))
        torch.testing.assert_close(boxes, true.expand(4, 4), atol=1e-3, rtol=0)
        number += 1
    return number


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_are_the_same_in_training_and_tests_whatever_workers_and_seeds(tiny_data, workers):
    config = tiny_config(tiny_data, *STRONG)
    videos = load_listing(config).train
    for dataset in (
        evaluation_dataset(config, videos, clips=1),
        training_dataset(config, videos),
        training_dataset(tiny_config(tiny_data, *STRONG, "train.seed=5"), videos),
    ):
        assert compare_boxes(dataset, workers, BoxErrors((0.0, 1.5), 0.5, 0.2).of_video) == 12


def test_a_clip_knows_the_wrong_box_and_is_cut_around_it(tiny_data):
    config = tiny_config(tiny_data, *STRONG, "data.crop.looseness=0.5", "data.crop.view_share=1")
    dataset = evaluation_dataset(config, load_listing(config).test)
    trace = dataset.trace(0)[0]
    found = dataset.source.people_in(0)
    assert found is not None
    error = BoxErrors((0.0, 1.5), 0.5, 0.2).of_video(dataset.source.videos[0].name)
    true = found.tubes_in(SIZE_HW)[0].boxes_at(trace.sample.frame_indices)
    assert trace.person_boxes is not None
    torch.testing.assert_close(trace.person_boxes, boxes_with_error(true, error))
    union = torch.cat([trace.person_boxes[:, :2].amin(0), trace.person_boxes[:, 2:].amax(0)])
    region_center = (trace.region[0, :2] + trace.region[0, 2:]) / 2
    torch.testing.assert_close(region_center, (union[:2] + union[2:]) / 2)


def test_mild_errors_are_like_those_of_the_boxes_that_were_measured(tiny_data):
    """By docs/results.md, "What a detector's boxes are like": row of the boxes of low score."""
    errors = crop_of(tiny_config(tiny_data, "data.crop.box_error=mild")).box_error
    assert errors is not None
    sides = torch.stack([errors.of_video(str(number)) for number in range(1000)])
    outward = torch.cat([-sides[:, :2], sides[:, 2:] - 1], dim=1)
    shifts = ((sides[:, :2] + sides[:, 2:]) / 2 - 0.5).abs()
    unit = torch.tensor([0.0, 0, 1, 1])
    shared = shared_areas(sides, unit)
    overlaps = shared / (box_areas(sides) + 1 - shared)
    ranks = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    for found, measured, tolerance in (
        (outward, [-0.30, -0.07, -0.01, 0.03, 0.26], 0.1),
        (shifts, [0.00, 0.02, 0.05, 0.11, 0.23], 0.03),
        (overlaps, [0.35, 0.51, 0.69, 0.79, 0.89], 0.1),
    ):
        values = found.flatten().quantile(ranks)
        torch.testing.assert_close(values, torch.tensor(measured), atol=tolerance, rtol=0)
    assert float((outward < -0.1).any(1).float().mean()) == pytest.approx(0.5, abs=0.08)


def corner(config) -> Tensor:
    """The corner pixel of the first test clip, which is far beyond the frame."""
    return evaluation_dataset(config, load_listing(config).test)[0][0][0].clip[:, 0, 0, 0]


def test_padding_has_the_trunk_s_mean_color_or_is_black(tiny_data):
    loose = ["data.crop.looseness=3", "data.crop.view_share=1"]
    assert corner(tiny_config(tiny_data, *loose)).tolist() == [124, 116, 104]
    assert corner(tiny_config(tiny_data, *loose, "data.crop.padding=black")).tolist() == [0, 0, 0]


@pytest.mark.parametrize("settings", [(), ("data.crop.aspect=free", "data.crop.motion=follow")])
def test_a_fitted_crop_shows_the_frame_alone_whatever_the_errors(tiny_data, settings):
    errors = ["data.crop.box_error=strong", "data.crop.looseness=1", *settings]
    config = tiny_config(tiny_data, "data.crop.beyond=fit", *errors)
    videos = load_listing(config).train
    for dataset in (training_dataset(config, videos), evaluation_dataset(config, videos)):
        for index in range(0, len(dataset), 3):
            for sample in dataset[index][0]:
                assert (sample.extents[:, 0, :2] <= -1).all()
                assert (sample.extents[:, 0, 2:] >= 1).all()


def test_a_shifted_crop_shows_the_frame_alone(tiny_data):
    inside = {}
    for beyond in ("pad", "shift", "fit"):
        settings = [f"data.crop.beyond={beyond}", "data.crop.view_share=1"]
        config = tiny_config(tiny_data, "data.crop.looseness=0.1", *settings)
        videos = load_listing(config).train
        samples = [
            sample
            for dataset in (training_dataset(config, videos), evaluation_dataset(config, videos))
            for index in range(len(dataset))
            for sample in dataset[index][0]
        ]
        images = torch.stack([sample.extents[:, 0] for sample in samples])
        inside[beyond] = ((images[..., :2] <= -1) & (images[..., 2:] >= 1)).all()
    assert inside == {"pad": False, "shift": True, "fit": True}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], "looseness 0.25, jitter 0.05 in training, pad mean"),
        (
            [*STRONG[:2], "data.crop.beyond=shift", "data.crop.padding=black"],
            "looseness 0.25, box errors strong, shift, pad black",
        ),
        (
            ["data.crop.beyond=fit", "data.crop.box_jitter=0"],
            "looseness 0.25, fit",
        ),
        (
            ["data.crop.box_error=mild", "data.crop.box_error.seed=3", "data.crop.looseness=0"],
            "looseness 0, box errors mild, seed 3, jitter 0.05 in training, pad mean",
        ),
        (
            ["data.crop.box_error={looseness: [0, 1], shift: 0.2}", "data.crop.box_jitter=0"],
            "looseness 0.25, box errors looseness 0 to 1, shift 0.2, cut 0, pad mean",
        ),
    ],
)
def test_a_protocol_names_all_of_it(tiny_data, settings, words):
    assert describe_boxes(tiny_config(tiny_data, *settings)) == words


def test_the_record_has_the_settings_of_the_section(tiny_data):
    config = tiny_config(tiny_data, "data.crop.box_error=strong")
    assert crop_of(config).box_error == BoxErrors((0.0, 1.5), 0.5, 0.2)
    assert crop_of(tiny_config(tiny_data)) == CropSpec((32, 32), box_jitter=0.05)
    assert mean_color_of(config) == (123.675, 116.28, 103.53)
    assert mean_color_of(tiny_config(tiny_data, "data.crop.padding=black")) is None
