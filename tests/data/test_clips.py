"""The videos of these tests: in frame i the background has level 20 + 6 i, and a soft spot sits at
x = 30 + i, y = 25; they are 64 high and 96 wide."""

import traceback

import numpy as np
import pytest
import torch
from accelerate.utils import send_to_device
from torch.utils.data import DataLoader

from stn_action.batch import Batch, Sample, collate
from stn_action.data.augment import Augment
from stn_action.data.clips import ClipDataset, TestClips, TrainClips
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.global_batches import Redraw
from stn_action.data.photometric import ColorJitter
from stn_action.data.source import ClipSource
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.geometry.boxes import box_sizes
from stn_action.person.crop import CropSpec
from stn_action.person.store.tube_folder import TubeFolder, write_tube_csv
from stn_action.person.tube import Tube
from stn_action.video.reader import VideoError
from stn_action.video.writer import write_video
from stn_action.workers.worker_process import set_up_loader_worker

HEIGHT, WIDTH, LENGTH = 64, 96, 24
WHOLE = CropSpec(size=(64, 96), aspect="free", view_share=1.0)


def numbered_image(frame: int) -> torch.Tensor:
    rows, columns = torch.arange(HEIGHT) + 0.5 - 25, torch.arange(WIDTH) + 0.5 - (30 + frame)
    spot = torch.exp(-(rows[:, None] ** 2 + columns**2) / (2 * 4.0**2)) * 80
    return (20 + 6 * frame + spot).clamp(max=255).to(torch.uint8).repeat(3, 1, 1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Six good videos `0` to `5`, a short one, and three that cannot be read."""
    root = tmp_path_factory.mktemp("videos")
    for number in range(6):
        write_video(
            root / f"{number}.mp4", [numbered_image(i) for i in range(LENGTH)], fps=25, crf=10
        )
    write_video(root / "short.mp4", [numbered_image(i) for i in range(5)], fps=25, crf=10)
    (root / "empty.mp4").touch()
    (root / "text.mp4").write_text("this is no video\n" * 50)
    (root / "cut.mp4").write_bytes((root / "0.mp4").read_bytes()[:900])
    return root


def videos_of(folder, *names: str) -> list[Video]:
    return [Video(name, folder / f"{name}.mp4", i % 3, name) for i, name in enumerate(names)]


def dataset_of(folder, *names: str, train: bool = False, **settings) -> ClipDataset:
    settings = {"sampling": ClipSampling(4, 2), "crop": WHOLE} | settings
    of_source = {
        key: settings.pop(key)
        for key in ("crop", "people", "tubes", "manifest", "backend")
        if key in settings
    }
    source = ClipSource(VideoTable(videos_of(folder, *names)), **of_source)
    return TrainClips(source, **settings) if train else TestClips(source, **settings)


def levels(sample: Sample) -> torch.Tensor:
    """The frame that each image of a clip shows, read from its background."""
    background = sample.clip.double().flatten(2).median(dim=2).values.mean(dim=0)
    return ((background - 20) / 6).round().long()


def spot_in_source(sample: Sample) -> torch.Tensor:
    """Where the inverse map puts the spot of each frame: (T, 2) source pixels."""
    light = sample.clip.double().mean(dim=0)
    light = (light - light.flatten(1).median(dim=1).values[:, None, None] - 8).clamp(min=0)
    height, width = light.shape[1:]
    total = light.sum(dim=(1, 2))
    x = (light.sum(dim=1) * (torch.arange(width) + 0.5)).sum(dim=1) / total / width
    y = (light.sum(dim=2) * (torch.arange(height) + 0.5)).sum(dim=1) / total / height
    share = torch.stack([x, y], dim=1)
    return sample.boxes[:, :2] + share * (sample.boxes[:, 2:] - sample.boxes[:, :2])


def assert_spot_is_found(sample: Sample, tolerance: float = 0.5) -> None:
    expected = torch.stack([30.0 + sample.frame_indices, torch.full((4,), 25.0)], dim=1)
    assert (spot_in_source(sample) - expected).abs().max() < tolerance


def write_person(folder, name: str, left: float, frames: int = LENGTH) -> None:
    boxes = torch.tensor([left, 5.0, left + 30, 45.0]).repeat(frames, 1)
    boxes[:, ::2] += torch.arange(float(frames))[:, None]
    write_tube_csv(folder / f"{name}.csv", Tube(torch.arange(frames), boxes, torch.ones(frames)))


def everything(dataset: ClipDataset, **settings) -> list[Batch]:
    return list(DataLoader(dataset, batch_size=2, collate_fn=collate, **settings))


def assert_equal_batches(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.failures == other.failures
        pairs = zip(one.tensors().values(), other.tensors().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def message_from_worker(dataset: ClipDataset) -> str:
    """The message of an error that a worker raises, without the traceback before it."""
    with pytest.raises(InputError, match=r"Caught .* in DataLoader worker process 0") as wrapped:
        everything(dataset, num_workers=1)
    traceback.clear_frames(wrapped.value.__traceback__)  # they hold the loader: let it close now
    return str(wrapped.value).rstrip().splitlines()[-1].partition(": ")[2]


class TestTestItems:
    def test_hold_all_clips_and_crops_in_order(self, folder):
        crop = CropSpec(size=(20, 20), view_share=0.75)
        dataset = dataset_of(folder, "0", "1", crop=crop, num_clips=2, num_crops=3)
        samples, failures = dataset[1]
        assert failures == []
        assert [sample.view for sample in samples] == [0, 1, 2, 3, 4, 5]
        assert {(sample.video, int(sample.target)) for sample in samples} == {(1, 1)}
        starts = [int(sample.frame_indices[0]) for sample in samples]
        assert starts[0] == starts[1] == starts[2] < starts[3] == starts[4] == starts[5]
        # squares of 0.75 * 64 = 48 along the 96 pixels, in the middle of the 64
        assert [sample.boxes[0].tolist() for sample in samples[:3]] == [
            [0, 8, 48, 56],
            [24, 8, 72, 56],
            [48, 8, 96, 56],
        ]

    def test_show_the_frames_that_they_name(self, folder):
        samples, _ = dataset_of(folder, "0", num_clips=3)[0]
        for sample in samples:
            assert sample.clip.shape == (3, 4, 64, 96)
            assert sample.clip.dtype == torch.uint8
            assert sample.clip.is_contiguous()
            assert torch.equal(levels(sample), sample.frame_indices)
            assert sample.frame_indices.diff().tolist() == [2, 2, 2]
            assert_spot_is_found(sample)

    def test_are_the_same_every_time(self, folder):
        one, other = (dataset_of(folder, "0") for _ in range(2))
        assert torch.equal(one[0][0][0].clip, other[0][0][0].clip)
        torch.manual_seed(5)
        assert torch.equal(one[0][0][0].clip, other[0][0][0].clip)

    def test_repeat_the_last_frame_of_a_short_video(self, folder):
        (sample,), _ = dataset_of(folder, "short")[0]
        assert sample.frame_indices.tolist() == [0, 2, 4, 4]
        assert levels(sample).tolist() == [0, 2, 4, 4]

    def test_of_segments_take_the_centers_and_share_them_out(self, folder):
        sampling = ClipSampling(4, sampling="segment")
        (single,), _ = dataset_of(folder, "0", sampling=sampling)[0]
        assert torch.equal(levels(single), single.frame_indices)
        assert single.frame_indices.diff().tolist() == [6, 6, 6]
        pair, _ = dataset_of(folder, "0", sampling=sampling, num_clips=2)[0]
        together = torch.stack([sample.frame_indices for sample in pair], dim=1).flatten()
        assert together.diff().tolist() == [3] * 7

    def test_of_a_video_that_was_cut_short_show_what_is_left(self, shared, tmp_path):
        whole = (shared / "data/ut_interaction_set1/0_1_4.avi").read_bytes()
        (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
        samples, failures = dataset_of(tmp_path, "half", num_clips=3)[0]
        assert (len(samples), failures) == (3, [])
        assert samples[-1].frame_indices[-1] < 100

    @pytest.mark.parametrize("name", ["empty", "text", "cut", "absent"])
    def test_of_an_unreadable_video_are_one_failure_that_names_it(self, folder, name):
        samples, failures = dataset_of(folder, "0", name, num_clips=2)[1]
        assert samples == []
        assert [video for video, _ in failures] == [1]
        assert f"{name}.mp4" in failures[0][1]


class TestTrainingItems:
    def test_show_the_frames_that_they_name_at_their_places(self, folder):
        dataset = dataset_of(
            folder, "0", train=True, augment=Augment(scale=(0.9, 1.0)), views_per_video=8
        )
        samples, _ = dataset[0]
        assert [sample.view for sample in samples] == list(range(8))
        assert len({int(sample.frame_indices[0]) for sample in samples}) > 2
        mirrored = [bool(sample.boxes[0, 0] > sample.boxes[0, 2]) for sample in samples]
        assert any(mirrored)
        assert not all(mirrored)
        for sample in samples:
            assert torch.equal(levels(sample), sample.frame_indices)
            assert_spot_is_found(sample)

    def test_without_augmentation_are_the_center_view(self, folder):
        (sample,), _ = dataset_of(folder, "0", train=True, crop=CropSpec((20, 20)))[0]
        assert sample.boxes[0].tolist() == [20, 4, 76, 60]

    def test_depend_on_seed_epoch_and_index_only(self, folder):
        def first(seed: int, epoch: int, index: int) -> torch.Tensor:
            dataset = dataset_of(folder, "0", "1", train=True, augment=Augment(), seed=seed)
            dataset.set_epoch(epoch)
            return dataset[index][0][0].boxes

        reference = first(0, 0, 0)
        assert torch.equal(first(0, 0, 0), reference)
        for other in [(1, 0, 0), (0, 1, 0), (0, 0, 1)]:
            assert not torch.equal(first(*other), reference)

    def test_are_other_ones_when_an_item_is_drawn_again(self, folder):
        dataset = dataset_of(folder, "0", "1", train=True, augment=Augment())
        samples = [dataset[index][0][0] for index in (0, Redraw(0, 1), Redraw(0, 2), Redraw(0, 1))]
        assert {sample.video for sample in samples} == {0}
        assert torch.equal(samples[1].boxes, samples[3].boxes)
        assert len({tuple(sample.boxes[0].tolist()) for sample in samples}) == 3
        assert dataset.targets.tolist() == [0, 1]

    def test_change_colors_alike_in_all_frames(self, folder):
        settings = {"train": True, "views_per_video": 2}
        plain, _ = dataset_of(folder, "0", augment=Augment(), **settings)[0]
        bright, _ = dataset_of(
            folder, "0", augment=Augment(color_jitter=ColorJitter(brightness=0.9)), **settings
        )[0]
        assert torch.equal(plain[0].boxes, bright[0].boxes)
        ratios = bright[0].clip.double().mean((0, 2, 3)) / plain[0].clip.double().mean((0, 2, 3))
        assert ratios.std() < 0.02
        assert abs(float(ratios.mean()) - 1) > 0.05

    @pytest.mark.parametrize("name", ["empty", "text", "cut", "absent"])
    def test_replace_an_unreadable_video_and_report_it(self, folder, name):
        dataset = dataset_of(folder, name, "1", "2", train=True)
        (sample,), failures = dataset[0]
        assert sample.video in (1, 2)
        assert sample.target == sample.video
        assert [video for video, _ in failures] == [0]
        assert f"{name}.mp4" in failures[0][1]
        (again,), _ = dataset[0]
        assert torch.equal(again.clip, sample.clip)

    def test_try_each_video_once_and_stop_after_some(self, folder):
        names = ["empty", "text", "cut", "absent", "0"]
        (sample,), failures = dataset_of(folder, *names, train=True)[0]
        assert sample.video == 4
        tried = [video for video, _ in failures]
        assert len(set(tried)) == len(tried)
        message = r"2 videos in a row cannot be read, the last of them: .*\.mp4"
        with pytest.raises(VideoError, match=message):
            dataset_of(folder, *names[:4], train=True, max_attempts=2)[0]
        with pytest.raises(VideoError, match="4 videos in a row cannot be read"):
            dataset_of(folder, *names[:4], train=True)[0]


class TestTraces:
    def test_of_training_clips_are_what_their_items_were_made_from(self, folder, tmp_path):
        write_person(tmp_path, "1", left=15.0)
        crop = CropSpec((32, 32), box_jitter=0.3)
        settings = {"crop": crop, "people": TubeFolder(tmp_path), "augment": Augment()}
        dataset = dataset_of(folder, "0", "1", train=True, views_per_video=2, **settings)
        assert isinstance(dataset, TrainClips)
        traces, (samples, _) = dataset.trace(1), dataset[1]
        for trace, sample in zip(traces, samples, strict=True):
            assert torch.equal(trace.sample.clip, sample.clip)
            assert torch.equal(trace.sample.boxes, sample.boxes)
            shown = [torch.from_numpy(image).double().median() for image in trace.images]
            frames = ((torch.stack(shown) - 20) / 6).round().long()
            assert torch.equal(frames, sample.frame_indices)
            assert trace.person_boxes is not None
            # 15 + 1 px a frame, 30 x 40 px, smoothed along a straight line
            expected = torch.tensor([15.0, 5, 45, 45]) + sample.frame_indices[
                :, None
            ] * torch.tensor([1.0, 0, 1, 0])
            torch.testing.assert_close(trace.person_boxes, expected)
            x0, y0, x1, y1 = trace.region[0].tolist()
            corners = sample.boxes[0].tolist()
            assert all(x0 - 1 <= x <= x1 + 1 for x in corners[::2])
            assert all(y0 - 1 <= y <= y1 + 1 for y in corners[1::2])
        sizes = box_sizes(torch.cat([trace.region for trace in traces]))
        assert sizes[0].tolist() != sizes[1].tolist()  # jittered apart
        assert dataset.trace(0)[0].person_boxes is None
        assert dataset.trace(0)[0].region.tolist() == [[0, 0, 96, 64]]

    def test_of_test_clips_are_one_for_each_view(self, folder):
        crop = CropSpec((20, 20), view_share=0.75)
        dataset = dataset_of(folder, "0", crop=crop, num_clips=2, num_crops=3)
        assert [trace.sample.view for trace in dataset.trace(0)] == list(range(6))
        assert {len(trace.images) for trace in dataset.trace(0)} == {4}

    def test_of_some_views_are_those_of_all_and_hold_their_frames_alone(self, folder):
        crop = CropSpec((20, 20), view_share=0.75)
        dataset = dataset_of(folder, "0", crop=crop, num_clips=3, num_crops=2)
        assert isinstance(dataset, TestClips)
        assert dataset.num_views(0) == 6
        every, some = dataset.trace(0), dataset.trace(0, [1, 4])
        assert [trace.sample.view for trace in some] == [1, 4]
        for trace in some:
            same = every[trace.sample.view]
            assert torch.equal(trace.sample.clip, same.sample.clip)
            assert torch.equal(trace.sample.frame_indices, same.sample.frame_indices)
            assert all(map(np.array_equal, trace.images, same.images))

    def test_of_an_unreadable_video_are_an_error_not_another_video(self, folder):
        for train in (False, True):
            with pytest.raises(VideoError, match=r"empty.mp4: the video file is empty"):
                dataset_of(folder, "empty", "0", train=train).trace(0)


class TestSlices:
    def test_are_counted_from_their_first_frame(self, folder):
        parts = [(None, 0.4), (0.4, None), (0.2, 0.68)]
        videos = VideoTable(
            Video(str(number), folder / "0.mp4", 0, "0", *part) for number, part in enumerate(parts)
        )
        dataset = TestClips(ClipSource(videos, WHOLE), sampling=ClipSampling(4, 2))
        firsts = [0, 10, 5]  # 25 frames a second
        for index, first in enumerate(firsts):
            (sample,), failures = dataset[index]
            assert failures == []
            assert torch.equal(levels(sample), sample.frame_indices + first)

    def test_train_on_their_own_frames_alone(self, folder):
        video = Video("0", folder / "0.mp4", 0, "0", 0.4, 0.8)
        source = ClipSource(VideoTable([video]), WHOLE)
        dataset = TrainClips(source, sampling=ClipSampling(2, 1), views_per_video=20)
        shown = torch.cat([levels(sample) for sample in dataset[0][0]])
        assert (shown.min(), shown.max()) == (10, 19)


class TestWorkers:
    def test_change_nothing(self, folder):
        names = ["0", "empty", "2", "3", "text"]
        dataset = dataset_of(
            folder, *names, train=True, augment=Augment(color_jitter=ColorJitter(saturation=0.5))
        )
        alone = everything(dataset)
        assert sum(len(batch.failures) for batch in alone) >= 2
        assert_equal_batches(
            everything(dataset, num_workers=2, worker_init_fn=set_up_loader_worker), alone
        )

    def test_that_persist_see_the_epoch(self, folder):
        dataset = dataset_of(folder, "0", "1", "2", train=True, augment=Augment())
        loader = DataLoader(
            dataset, batch_size=2, collate_fn=collate, num_workers=1, persistent_workers=True
        )
        epochs = []
        for epoch in range(2):
            dataset.set_epoch(epoch)
            epochs.append(list(loader))
            assert_equal_batches(epochs[epoch], everything(dataset))
        assert not torch.equal(epochs[0][0].boxes, epochs[1][0].boxes)

    def test_leave_a_mistake_its_one_message(self, folder):
        dataset = dataset_of(folder, "empty", train=True)
        with pytest.raises(VideoError, match="1 videos in a row") as alone:
            everything(dataset)
        assert message_from_worker(dataset) == str(alone.value)


class TestPeople:
    @pytest.mark.parametrize("motion", ["fixed", "follow"])
    def test_clips_lie_round_the_person_and_lead_back_to_the_source(self, folder, tmp_path, motion):
        write_person(tmp_path, "0", left=15.0)
        crop = CropSpec((50, 50), looseness=0.5, view_share=1.0, motion=motion)
        dataset = dataset_of(folder, "0", crop=crop, people=TubeFolder(tmp_path))
        (sample,), _ = dataset[0]
        assert_spot_is_found(sample)
        widths = sample.boxes[:, 2] - sample.boxes[:, 0]
        if motion == "follow":
            assert widths.tolist() == [80] * 4  # 40 high, loosened by half on both sides
            assert sample.boxes[:, 0].diff().tolist() == [2, 2, 2]
        else:
            assert sample.boxes.unique(dim=0).shape[0] == 1

    def test_jitter_applies_in_training_only(self, folder, tmp_path):
        write_person(tmp_path, "0", left=15.0)
        crop = CropSpec((50, 50), box_jitter=0.3)
        boxes = []
        for jitter in (0.0, 0.3):
            crop = CropSpec((50, 50), box_jitter=jitter, motion="follow")
            settings = {"crop": crop, "people": TubeFolder(tmp_path)}
            for train in (False, True):
                (sample,), _ = dataset_of(folder, "0", train=train, **settings)[0]
                boxes.append(sample.boxes[0] - sample.frame_indices[0] * torch.tensor([1, 0, 1, 0]))
        assert torch.equal(boxes[0], boxes[1])
        assert torch.equal(boxes[0], boxes[2])
        assert not torch.equal(boxes[0], boxes[3])

    def test_videos_without_boxes_are_counted_and_shown_whole(self, folder, tmp_path):
        write_person(tmp_path, "0", left=15.0)
        crop = CropSpec((32, 32))
        dataset = dataset_of(folder, "0", "1", "2", crop=crop, people=TubeFolder(tmp_path))
        assert dataset.without_tube == 2
        whole, _ = dataset_of(folder, "1", crop=crop)[0]
        assert torch.equal(dataset[1][0][0].clip, whole[0].clip)
        assert dataset_of(folder, "0").without_tube == 0

    def test_a_box_entirely_outside_the_image_is_a_failure_of_its_video(self, folder, tmp_path):
        write_person(tmp_path, "0", left=300.0)
        dataset = dataset_of(folder, "0", "1", people=TubeFolder(tmp_path))
        samples, ((video, message),) = dataset[0]
        assert (samples, video) == ([], 0)
        assert message.startswith(f"{tmp_path / '0.csv'}: the box (")
        assert "of frame 0 is entirely outside the image, which is 96 wide" in message
        (batch,) = everything(dataset, num_workers=1)
        assert batch.failures == [(0, message)]
        training = dataset_of(folder, "0", "1", train=True, people=TubeFolder(tmp_path))
        (sample,), failures = training[0]
        assert (sample.video, failures) == (1, [(0, message)])

    def test_malformed_boxes_are_noticed_before_any_video_is_opened(self, folder, tmp_path):
        (tmp_path / "absent.csv").write_text("frame,x0,y0,x1,y1\n0,nan,2,3,4\n")
        with pytest.raises(InputError, match=r"absent.csv, line 2: .*NaN"):
            dataset_of(folder, "absent", people=TubeFolder(tmp_path))


class TestSettings:
    @pytest.mark.parametrize("aspect", ["square", "free"])
    def test_crops_that_would_be_the_same_are_refused(self, folder, tmp_path, aspect):
        write_person(tmp_path, "0", left=15.0)
        crop = CropSpec((32, 32), aspect=aspect, view_share=1.0)
        with pytest.raises(InputError, match=r"3 crops of .* all the same .* view_share below 1"):
            dataset_of(folder, "0", crop=crop, num_crops=3, people=TubeFolder(tmp_path))

    def test_square_crops_of_whole_frames_may_fill_the_shorter_side(self, folder):
        crop = CropSpec((32, 32), view_share=1.0)
        samples, _ = dataset_of(folder, "0", crop=crop, num_crops=3)[0]
        assert [sample.boxes[0, 0].item() for sample in samples] == [0, 16, 32]

    @pytest.mark.parametrize(
        ("name", "train"),
        [
            ("views_per_video", True),
            ("max_attempts", True),
            ("num_clips", False),
            ("num_crops", False),
        ],
    )
    def test_counts_are_positive(self, folder, name, train):
        with pytest.raises(ValueError, match="all counts must be at least 1, got 0"):
            dataset_of(folder, "0", train=train, **{name: 0})

    def test_a_list_holds_videos_and_an_index_lies_in_it(self, folder):
        with pytest.raises(ValueError, match="there must be a video"):
            dataset_of(folder)
        with pytest.raises(IndexError, match=r"index must be in \[0, 1\), got 1"):
            dataset_of(folder, "0")[1]


class TestBatches:
    def test_put_samples_of_several_items_together(self, folder):
        dataset = dataset_of(folder, "0", "empty", "2", num_clips=2)
        batch = collate([dataset[0], dataset[1], dataset[2]])
        assert batch.clip.shape == (4, 3, 4, 64, 96)
        assert batch.video.tolist() == [0, 0, 2, 2]
        assert batch.target.tolist() == [0, 0, 2, 2]
        assert batch.view.tolist() == [0, 1, 0, 1]
        assert batch.frame_indices.shape == (4, 4)
        assert batch.boxes.shape == (4, 4, 4)
        assert [video for video, _ in batch.failures] == [1]

    def test_without_any_sample_are_empty(self):
        batch = collate([([], [(3, "gone")])])
        assert batch.clip.shape[:2] == (0, 3)
        assert batch.clip.dtype == torch.uint8
        assert batch.target.shape == batch.video.shape == batch.view.shape == (0,)
        assert batch.target.dtype == torch.int64
        assert batch.boxes.shape == (0, 0, 4)
        assert batch.failures == [(3, "gone")]

    def test_stay_batches_on_their_way_to_a_device(self, folder):
        dataset = dataset_of(folder, "0", "empty")
        moved = send_to_device(collate([dataset[0], dataset[1]]), torch.device("cpu"))
        assert isinstance(moved, Batch)
        assert moved.failures == dataset[1][1]
