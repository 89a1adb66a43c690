"""Test views and random views of one pass are those of two data sets."""

import pytest
import torch

from stn_action.data.augment import Augment
from stn_action.data.clips import TestClips, TrainClips
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.joint_views import JointViews
from stn_action.data.photometric import ColorJitter
from stn_action.data.source import ClipSource
from stn_action.data.video_table import Video, VideoTable
from stn_action.person.crop import CropSpec
from stn_action.video.writer import write_video

NAMES = "0", "text", "short"


class CountingSource(ClipSource):
    num_reads = 0

    def read(self, *arguments, **keywords):
        self.num_reads += 1
        return super().read(*arguments, **keywords)


@pytest.fixture(scope="module")
def joint(tmp_path_factory) -> JointViews:
    folder = tmp_path_factory.mktemp("videos")
    draw = torch.Generator().manual_seed(0)
    for name, length in (("0", 20), ("short", 5)):
        images = torch.randint(0, 256, (length, 3, 32, 48), dtype=torch.uint8, generator=draw)
        write_video(folder / f"{name}.mp4", list(images), fps=25)
    (folder / "text.mp4").write_text("this is no video")
    videos = [Video(name, folder / f"{name}.mp4", i, name) for i, name in enumerate(NAMES)]
    source = CountingSource(VideoTable(videos), CropSpec(size=(24, 40), aspect="free"))
    sampling = ClipSampling(4, 2)
    return JointViews(
        TestClips(source, sampling=sampling, num_clips=2, num_crops=3),
        TrainClips(
            source,
            sampling=sampling,
            augment=Augment(color_jitter=ColorJitter(contrast=0.3)),
            views_per_video=2,
            seed=7,
        ),
    )


@pytest.mark.parametrize("index", [0, 2])
def test_views_are_those_of_both_data_sets(joint, index):
    samples, failures = joint[index]
    assert failures == []
    expected = joint.test[index][0] + joint.train[index][0]
    assert [sample.view for sample in samples] == [0, 1, 2, 3, 4, 5, 0, 1]
    for sample, wanted in zip(samples, expected, strict=True):
        assert sample.source is wanted.source is None
        for found, known in zip(sample[:-1], wanted[:-1], strict=True):
            assert found == known if isinstance(found, int) else torch.equal(found, known)


def test_the_video_is_opened_once(joint):
    before = joint.test.source.num_reads
    assert len(joint[0][0]) == 8
    assert joint.test.source.num_reads == before + 1


def test_no_other_video_replaces_one_that_cannot_be_read(joint):
    samples, [(video, reason)] = joint[1]
    assert samples == []
    assert video == 1
    assert "text.mp4" in reason
