import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stn_action.errors import InputError
from stn_action.person.formats.coco import read_coco, write_coco
from tests.person.formats.made_people import assert_same, videos


def content(**changes):
    """Images of two videos, known from their file names alone."""
    images = [
        {"id": 7, "file_name": "deep/a/img_00003.jpg", "height": 240, "width": 320},
        {"id": 8, "file_name": "b/1.jpg"},
        {"id": "c", "file_name": "deep/a/img_00001.jpg"},
    ]
    person = {"image_id": 7, "category_id": 1, "track_id": 5, "bbox": [10, 20, 30, 40.5]}
    car = {"image_id": 8, "category_id": 3, "bbox": [0, 0, 1, 1]}
    crowd = {"image_id": 8, "category_id": 1, "iscrowd": 1}
    annotations = [person, car, crowd, person | {"image_id": "c", "score": 0.5}]
    categories = [{"id": 1, "name": "Person"}, {"id": 3, "name": "car"}]
    return {"images": images, "annotations": annotations, "categories": categories} | changes


def vid(frame: object = 0, **changes):
    """One image of a video of the list `videos`."""
    image = {"id": 1, "video_id": 4, "frame_id": frame, "file_name": "x.jpg"}
    bbox = [0, 0, 2, 2]
    person = {"image_id": 1, "category_id": 1, "instance_id": 0, "bbox": bbox} | changes
    video = {"id": 4, "name": "clip", "length": 3, "fps": 25, "height": 4, "width": 5}
    return content(videos=[video], images=[image], annotations=[person])


def stored(tmp_path, value):
    path = tmp_path / "boxes.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


@given(made=videos(labels=st.one_of(st.none(), st.text(max_size=3))))
@settings(max_examples=30, deadline=None)
def test_written_people_read_back(made):
    with tempfile.TemporaryDirectory() as folder:
        write_coco(Path(folder) / "boxes.json", made)
        back = read_coco(Path(folder) / "boxes.json")
    assert_same(back, made)
    for one, two in zip(back, made, strict=True):
        assert (one.labels or (None,) * len(one.tubes)) == two.labels


def test_images_are_identified_by_their_file_names(tmp_path):
    first, second = read_coco(stored(tmp_path, content()))
    assert (first.name, first.size_hw, second.name) == ("deep/a", (240, 320), "b")
    assert first.tubes[0].frame_indices.tolist() == [0, 2]
    assert first.tubes[0].boxes.tolist() == [[10, 20, 40, 60.5]] * 2
    assert first.tubes[0].scores.tolist() == [0.5, 1]
    assert second.tubes == ()


def test_frames_of_coco_vid_count_from_zero(tmp_path):
    (video,) = read_coco(stored(tmp_path, vid(frame=2)))
    assert (video.name, video.num_frames, video.fps, video.size_hw) == ("clip", 3, 25, (4, 5))
    assert video.tubes[0].frame_indices.tolist() == [2]


def test_images_may_be_numbered_from_zero(tmp_path):
    path = stored(tmp_path, content(images=[{"id": 7, "file_name": "a/000.jpg"}], annotations=[]))
    assert [video.name for video in read_coco(path, first_frame=0)] == ["a"]
    with pytest.raises(InputError, match=r"images\[0\]: frame 000 comes .* give first_frame=0"):
        read_coco(path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", r"this is not JSON, or it was truncated: Expecting value"),
        (json.dumps(content())[:-30], r"this is not JSON, or it was truncated: .*line 1"),
        ("[" * 100000, r"this JSON is nested too deep"),
        ("[]", r"this is a list of results"),
        ("3", r"a dictionary of images, annotations and categories"),
        ({}, r"categories: there must be a list 'categories'"),
        (content(images=3), r"images: there must be a list 'images'"),
        (content(annotations=[3]), r"annotations\[0\]: a dictionary is expected"),
        (content(images=[], annotations=[]), r"the file has no images"),
        (content(categories=[{"id": 1, "name": "cat"}]), r"none is a person .* there are \['cat'"),
        (content(categories=[{"name": "cat"}]), r"categories\[0\]: there must be a number 'id'"),
        (content(images=[{"id": 1}]), r"images\[0\]: there must be a text 'file_name'"),
        (content(images=[{"id": 1, "file_name": "1.jpg"}]), r"file_name must be <video>/<frame"),
        (content(images=[{"id": 1, "file_name": "a/x.jpg"}]), r"there is no frame number in 'a/x"),
        (content(images=[{"id": 1, "file_name": f"a/{'9' * 5000}.jpg"}]), r"frame must be "),
        (content(images=[{"id": 1, "video_id": 9}]), r"there is no video with the id 9 in `video"),
        (
            content(images=[{"id": 1, "file_name": "a/1.jpg"}] * 2),
            r"\[1\]: the id 1 is duplicated",
        ),
        (content(videos=[{"id": 1, "name": "a"}] * 2), r"videos\[1\]: the video 'a' or its id is"),
        (vid(frame=3), r"images\[0\]: frame 3 is beyond the video, whose 3 frames are 0 to 2"),
        (vid(frame=-1), r"images\[0\]: frame must be an integer from 0, got -1"),
        (vid(frame=True), r"images\[0\]: frame must be a number, got True"),
        (vid(image_id=5), r"annotations\[0\]: there is no image with the id 5"),
        (vid(image_id=[5]), r"annotations\[0\]: there must be a number 'image_id'"),
        (vid(instance_id=None), r"neither track_id nor instance_id; these are detections"),
        (vid(instance_id="x"), r"instance_id must be a number, got 'x'"),
        (vid(bbox=[1, 2, 3]), r"annotations\[0\]: bbox must be \[left, top, width, height\]"),
        (vid(bbox=[1, 2, -3, 4]), r"width and height must be above 0, got -3 and 4"),
        (vid(bbox=[1, 2, float("nan"), 4]), r"annotations\[0\]: bbox must be finite, got nan"),
        (vid(bbox=[1, 2, 10**400, 4]), r"annotations\[0\]: bbox must be a number, got 1000"),
        (vid(bbox=[1, 2, [3], 4]), r"annotations\[0\]: bbox must be a number, got list"),
        (vid(score="high"), r"annotations\[0\]: score must be a number, got 'high'"),
        (vid(label=3), r"annotations\[0\]: label must be text"),
        (vid() | {"annotations": vid()["annotations"] * 2}, r"\[1\]: person 0 has a second box"),
    ],
)
def test_a_broken_file_is_refused_with_its_key(tmp_path, value, message):
    with pytest.raises(InputError, match=rf"boxes\.json.*{message}"):
        read_coco(stored(tmp_path, value))


def test_a_folder_and_another_encoding_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read: it is a folder, expected a reg"):
        read_coco(tmp_path)
    path = tmp_path / "boxes.json"
    path.write_bytes(json.dumps(content()).encode("utf-16"))
    with pytest.raises(InputError, match=r"boxes\.json: cannot be read: it is in UTF-16; save it"):
        read_coco(path)
