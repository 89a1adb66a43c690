"""Videos with what is known of them: the right people, lengths and checksums."""

import shutil
from dataclasses import replace

import pytest
import torch

from stn_action.batch import Sample
from stn_action.checksum import checksum
from stn_action.data.clips import ClipDataset, TestClips, TrainClips
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.manifest import Manifest, to_line, write_manifest
from stn_action.data.source import ClipSource
from stn_action.data.video_table import Video, VideoTable
from stn_action.jobs.inspection import inspect_video
from stn_action.person.crop import CropSpec
from stn_action.person.select import TubeChoice
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from stn_action.video.reader import VideoError
from tests.person.scene import HEIGHT, WIDTH, crossing, standing, write_scene

LENGTH = 30
CROP = CropSpec((40, 40), looseness=0.0, view_share=1.0)
SAMPLING = ClipSampling(3, 4)


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    return write_scene(folder / "one.mp4", crossing(LENGTH))


def tubes_of(boxes: torch.Tensor, start: int = 0) -> tuple[Tube, ...]:
    frames = torch.arange(start, boxes.shape[1])
    return tuple(Tube(frames, way[start:], torch.ones(len(frames))) for way in boxes)


def file_of(tmp_path, *people: VideoPeople) -> PeopleFile:
    file = PeopleFile.create(tmp_path / "people.sqlite", "hand")
    for one in people:
        file.add(one)
    return file


def dataset(path, *, train: bool = False, names=("one",), **more) -> ClipDataset:
    videos = [Video(name, path, 0, name) for name in names]
    source = ClipSource(VideoTable(videos), CROP, **more)
    return (TrainClips if train else TestClips)(source, sampling=SAMPLING)


def failure_of(dataset: ClipDataset) -> str:
    """Return why the first video cannot be used; no sample is made of it."""
    samples, ((_, message),) = dataset[0]
    assert samples == []
    return message


def two_people(**more) -> VideoPeople:
    tubes = (*tubes_of(crossing(LENGTH)[:1]), *tubes_of(crossing(LENGTH)[1:], start=5))
    return VideoPeople("one", tubes, (HEIGHT, WIDTH), LENGTH, **more)


@pytest.mark.parametrize(("select", "wide"), [("longest", False), ("union", True)])
def test_a_clip_is_about_the_chosen_people(path, tmp_path, select, wide):
    people = file_of(tmp_path, two_people())
    (sample,), failures = dataset(path, people=people, tubes=TubeChoice(select))[0]
    assert failures == []
    frames = sample.frame_indices
    ways = crossing(LENGTH)[:, frames]
    x0, x1 = ways[0, :, 0].min(), ways[0, :, 2].max()
    if wide:
        x0, x1 = ways[..., 0].min(), ways[..., 2].max()
    side = max(x1 - x0, ways[0, :, 3].max() - ways[0, :, 1].min())
    assert abs(float(sample.boxes[0, 2] - sample.boxes[0, 0]) - float(side)) <= 3


def test_each_person_is_a_sample_of_their_own(path, tmp_path):
    people = file_of(tmp_path, two_people(), VideoPeople("alone", ()))
    all_people = {"people": people, "tubes": TubeChoice("all"), "names": ("one", "alone")}
    training = dataset(path, train=True, **all_people)
    assert len(training) == 3
    assert [training[item][0][0].video for item in range(3)] == [0, 0, 1]
    first_frames = [int(training[1][0][0].frame_indices.min()) for _ in range(3)]
    assert min(first_frames) >= 5  # the second person is seen from then on
    testing = dataset(path, **all_people)
    assert len(testing) == 2
    samples, _ = testing[0]
    assert [(sample.video, sample.view) for sample in samples] == [(0, 0), (0, 1)]
    assert not torch.equal(samples[0].boxes, samples[1].boxes)
    assert len(testing[1][0]) == 1
    assert testing.without_tube == 1


def test_boxes_for_another_size_are_scaled(path, tmp_path):
    half = torch.tensor([0.5, 0.5, 0.5, 0.5])
    tube = tubes_of(standing(LENGTH))[0]
    small = VideoPeople(
        "one",
        (Tube(tube.frame_indices, tube.boxes * half, tube.scores),),
        (HEIGHT // 2, WIDTH // 2),
    )
    scaled, _ = dataset(path, people=file_of(tmp_path / "a", small))[0]
    same, _ = dataset(path, people=file_of(tmp_path / "b", VideoPeople("one", (tube,))))[0]
    assert torch.equal(scaled[0].boxes, same[0].boxes)
    other = VideoPeople("one", small.tubes, (100, 100))
    message = failure_of(dataset(path, people=file_of(tmp_path / "c", other)))
    assert "the boxes of one are for 100x100 pixels, the video has 240x120" in message


def test_short_tubes_count_as_no_person(path, tmp_path):
    people = file_of(tmp_path, two_people())
    assert dataset(path, people=people, tubes=TubeChoice(min_span=30)).without_tube == 0
    long = dataset(path, people=people, tubes=TubeChoice(min_span=31))
    assert long.without_tube == 1
    whole, _ = dataset(path)[0]
    assert torch.equal(long[0][0][0].boxes, whole[0].boxes)


def test_a_video_that_changed_since_is_a_failure(path, tmp_path):
    video = shutil.copy(path, tmp_path / "one.mp4")
    people = file_of(tmp_path, two_people(checksum=checksum(video)))
    source = dataset(video, people=people, train=True)
    source[0]
    write_scene(video, crossing(LENGTH) + 1)
    source[0]  # a video is looked at once in a run
    message = failure_of(dataset(video, people=people))
    assert f"{video}: the file has changed since people were detected in it" in message


def test_boxes_beyond_the_end_and_of_another_length_are_failures(path, tmp_path):
    late = VideoPeople("one", tubes_of(standing(LENGTH + 5)))
    message = failure_of(dataset(path, people=file_of(tmp_path / "a", late)))
    assert "of one reach to frame 34, the video has 30 frames" in message
    other = VideoPeople("one", tubes_of(standing(LENGTH)), num_frames=LENGTH + 9)
    message = failure_of(dataset(path, people=file_of(tmp_path / "b", other)))
    assert "one had 39 frames when people were detected in it, now it has 30" in message


def manifest_of(tmp_path, *videos: Video, **changed) -> Manifest:
    out = tmp_path / "manifest.tsv"
    entries = [replace(inspect_video(video).entry, **changed) for video in videos]
    write_manifest(out, [to_line(entry) for entry in entries])
    return Manifest.open(out)


def test_a_manifest_tells_broken_and_changed_videos(path, tmp_path):
    video = Video("one", path, 0, "one")
    good = dataset(path, manifest=manifest_of(tmp_path, video))
    plain, _ = dataset(path)[0]
    assert torch.equal(good[0][0][0].clip, plain[0].clip)
    broken = dataset(path, manifest=manifest_of(tmp_path, video, error="cut off in its middle"))
    assert broken[0] == ([], [(0, f"{path}: cut off in its middle")])
    training = dataset(path, train=True, manifest=broken.source.manifest)
    with pytest.raises(VideoError, match=r"1 videos in a row .*: cut off in its middle"):
        training[0]
    message = failure_of(dataset(path, manifest=manifest_of(tmp_path, video, checksum="0" * 32)))
    assert "has changed since the manifest was written" in message
    assert "python tools/check_videos.py" in message


def test_clips_of_a_slice_show_its_frames_and_its_people(path, tmp_path):
    start = 10  # of 30 frames in a second
    part = write_scene(tmp_path / "part.mp4", crossing(LENGTH)[:, start:])
    film = Video("one_1", path, 0, "one", start / 30)
    tubes = tuple(tubes_of(crossing(LENGTH)[:, start:]))
    people = VideoPeople("one_1", tubes, (HEIGHT, WIDTH), LENGTH - start, checksum=film.checksum())

    def read(video: Video, **more) -> Sample:
        source = ClipSource(VideoTable([video]), CROP, people=file_of(tmp_path, people), **more)
        (sample,) = TestClips(source, sampling=SAMPLING).trace(0)
        return sample.sample

    found = read(film, manifest=manifest_of(tmp_path, film))
    with pytest.raises(VideoError, match="the file has changed since people were detected in it"):
        read(Video("one_1", path, 0, "one"))
    people = replace(people, checksum=checksum(part))
    alone = read(Video("one_1", part, 0, "one"))
    assert torch.equal(found.frame_indices, alone.frame_indices)
    assert torch.equal(found.boxes, alone.boxes)
    assert (found.clip.float() - alone.clip.float()).abs().mean() < 3  # encoded apart


@pytest.mark.parametrize("frames", [9, 50])
def test_a_wrong_length_in_the_manifest_is_reported(path, tmp_path, frames):
    video = Video("one", path, 0, "one")
    samples, failures = dataset(path, manifest=manifest_of(tmp_path, video, frames=frames))[0]
    assert samples == []
    assert "one.mp4" in failures[0][1]
    assert f"{frames}" in failures[0][1]


def test_selected_sources_share_people_and_one_table_one_source(path, tmp_path):
    people = file_of(tmp_path, two_people())
    source = ClipSource(VideoTable(), CROP, people=people, tubes=TubeChoice(min_span=2))
    tables = [VideoTable([Video(name, path, 0, name)]) for name in ("one", "other")]
    one, other = (source.select(table) for table in tables)
    assert source.select(tables[0]) is one
    assert one.people is other.people is people
    assert [one.without_tube, other.without_tube] == [0, 1]
    assert (len(one.people_in(0).tubes), other.people_in(0)) == (2, None)
