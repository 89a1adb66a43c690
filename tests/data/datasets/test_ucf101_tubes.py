"""UCF101-24: a sample is a tube, and its clips show the frames and boxes of that tube."""

import shutil

import numpy as np
import pytest
import torch

from stn_action.build.data import check_before_start, evaluation_dataset, load_listing
from stn_action.config.schema import load_config
from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.data.datasets.ucf101_tubes import list_ucf101_24
from stn_action.errors import InputError
from stn_action.person.store.people_file import PeopleFile
from stn_action.video.writer import write_video
from tests.tiny import write_config
from tests.ucf101_tree import TUBE_FRAMES, TUBES, write_ucf101_24
from tools.convert_people import main as convert_tool

SIZE_HW = 24, 32


def test_a_sample_is_a_tube_and_the_list_tells_what_is_tested(tmp_path):
    files = ["UCF-101/Biking/v_Biking_g01_c02.mp4", "rgb-images/Fencing/v_Fencing_g09_c01"]
    root = write_ucf101_24(tmp_path, files=files)
    listing = list_ucf101_24(root)
    shown = [(one.name, listing.label_text(one), one.group) for one in listing.all_videos]
    assert shown == [
        ("Biking/v_Biking_g08_c01/0", "Biking", "Biking_g08"),
        ("Fencing/v_Fencing_g09_c01/0", "Fencing", "Fencing_g09"),
        ("Biking/v_Biking_g01_c02/0", "Biking", "Biking_g01"),
        ("Biking/v_Biking_g01_c02/1", "Biking", "Biking_g01"),
    ]
    assert [one.path.relative_to(root).as_posix() for one in listing.all_videos] == [
        "UCF-101/Biking/v_Biking_g08_c01.avi", "rgb-images/Fencing/v_Fencing_g09_c01",
        *["UCF-101/Biking/v_Biking_g01_c02.mp4"] * 2,
    ]  # fmt: skip


def test_the_official_files_have_the_official_numbers(shared, tmp_path):
    annotations = shared / "data/annotations"
    shutil.copy(annotations / "ucf101_24/pyannot.pkl", tmp_path)
    shutil.copy(annotations / "ucf101_splits" / "testlist01.txt", tmp_path)
    listing = DATASETS["ucf101_24"].read(tmp_path, 1)
    videos = [
        {name.rpartition("/")[0] for name in part.names()} for part in (listing.train, listing.test)
    ]
    assert [len(part) for part in videos] == [2284, 910]


def test_a_clip_shows_its_tube_at_its_time(tmp_path):
    root = write_ucf101_24(tmp_path / "ucf", files=())
    for name in TUBES:
        path = root / "UCF-101" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        images = (np.full((*SIZE_HW, 3), 10 * frame, np.uint8) for frame in range(TUBE_FRAMES))
        write_video(path, images, fps=25)
    settings = [
        f"data.root={root}", f"data.people={tmp_path / 'tubes.sqlite'}", "data.name=ucf101_24",
        "data.official=false", "data.tubes.select=all", "data.crop.size=16", "data.augment.hflip=0",
        "data.crop.looseness=0", "data.crop.aspect=free", "data.crop.view_share=1",
        "data.clip={num_frames: 4, stride: 1}", "eval={num_clips: 1, num_crops: 1}",
        "model.backbone=small3d", "model.focus=null",
    ]  # fmt: skip
    config_file = str(write_config(tmp_path / "ucf.yaml", settings))
    source = [str(root / "annotations/pyannot.pkl"), "--from", "ucf101_24_tubes"]
    out = ["--out", str(tmp_path / "tubes.sqlite")]
    assert convert_tool([*source, "--videos", config_file, *out]) == 0
    people = PeopleFile(tmp_path / "tubes.sqlite")
    assert people.longest_spans(["Biking/v_Biking_g01_c02/0", "Biking/v_Biking_g01_c02/1"]) == [
        4,
        10,
    ]
    config = load_config(config_file)
    test = evaluation_dataset(config, load_listing(config).test)
    ((first,), _), ((second,), _) = test[0], test[1]
    assert first.frame_indices.tolist() == [4, 5, 6, 7]
    assert second.frame_indices.tolist() == [13, 14, 15, 16]  # the middle of 10 to 19
    torch.testing.assert_close(second.boxes[0], torch.tensor([20.0, 12, 32, 24]))


def test_clips_of_other_frames_than_those_of_the_tube_are_refused(tmp_path):
    settings = [
        f"data.root={tmp_path}", f"data.people={tmp_path}", "data.name=ucf101_24",
        "model.backbone=small3d", "model.focus=null",
    ]  # fmt: skip
    check_before_start(load_config(None, [*settings, "data.tubes.select=all"]))
    with pytest.raises(InputError, match=r"data.tubes.select=longest: a sample of ucf101_24 is a "):
        check_before_start(load_config(None, settings))


@pytest.mark.parametrize(
    ("tubes", "tested", "message"),
    [
        (None, "Biking/v_Biking_g01", r"expected '<class>/v_<class>_gNN_cNN\[.avi\]', got 'Biki"),
        (None, "Biking/v_Biking_g02_c01", r"none of its 1 videos of the 24 classes is in .*py"),
        (None, "Biking/v_Biking_g01_c02", r"24 classes, 2 training and 2 test tubes, expected 24 "),
        ({"Fencing/v_Fencing_g01_c01": TUBES["Biking/v_Biking_g08_c01"]}, None, "with Biking"),
        ({"../v_Fencing_g01_c01": TUBES["Fencing/v_Fencing_g09_c01"]}, None, r"got '\.\./v_Fen"),
    ],
)  # fmt: skip
def test_other_files_are_refused(tmp_path, tubes, tested, message):
    tested = tested or "Fencing/v_Fencing_g01_c01"
    root = write_ucf101_24(tmp_path, tubes=tubes or TUBES, tested=tested)
    with pytest.raises(InputError, match=message):
        load_dataset("ucf101_24", root)


def test_a_missing_file_is_named_with_the_remedy(tmp_path):
    with pytest.raises(
        InputError, match=r"there is no pyannot.pkl or pyannot_with_class_names.pkl"
    ):
        load_dataset("ucf101_24", tmp_path)
    (write_ucf101_24(tmp_path) / "annotations/testlist01.txt").unlink()
    with pytest.raises(InputError, match=r"no testlist01.txt in .*; get pyannot.pkl of https"):
        load_dataset("ucf101_24", tmp_path)


def test_a_group_in_both_parts_is_refused(tmp_path):
    tubes = {**TUBES, "Biking/v_Biking_g01_c03": TUBES["Biking/v_Biking_g08_c01"]}
    root = write_ucf101_24(tmp_path, tubes=tubes)
    with pytest.raises(
        InputError, match=r"1 groups are in the training and in the test list \(Bik"
    ):
        DATASETS["ucf101_24"].read(root, 1, require_official=False)
