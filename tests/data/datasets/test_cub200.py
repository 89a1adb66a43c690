"""CUB-200-2011 in its official layout: lists, what is wrong with them, and a run."""

import json
from pathlib import Path

import cv2
import pytest
import torch

from stn_action.build.data import evaluation_dataset, load_listing
from stn_action.config.schema import load_config
from stn_action.data.datasets.cub200 import list_cub200
from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.errors import InputError
from tests.cub_tree import CLASSES, edit_list, write_cub
from tools.convert_people import main as convert_tool
from tools.evaluate import main as evaluate_tool
from tools.preview import main as preview_tool
from tools.train import main as train_tool
from tools.visualize import main as visualize_tool

CONFIG = str(Path(__file__).parents[3] / "configs/paper/cub_st.yaml")
SMALL = (
    "data.official=false", "data.crop.size=64", "data.num_workers=0",
    "model.backbone=timm/test_resnet", "model.weights=none", "model.focus.at=image.layer3",
    "model.focus.heads=2", "model.focus.look_size=32", "model.focus.glimpse_size=32",
    "model.focus.glimpse_backbone=timm/test_resnet", "model.focus.glimpse_weights=none",
    "train.batch_size=3", "train.grad_accum_steps=1", "train.max_steps=2",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return write_cub(tmp_path)


def test_images_are_listed_by_the_official_split(folder):
    listing = list_cub200(folder.parent)
    assert (listing.name, listing.unit, listing.classes) == ("cub200", "images", CLASSES)
    assert (len(listing.train), len(listing.val), len(listing.test)) == (6, 0, 3)
    assert listing.test.targets.tolist() == [0, 1, 2]
    name = "002.Laysan_Albatross/Laysan_Albatross_0006_42"
    assert (listing.test[1].name, listing.test[1].group) == (name, name)
    assert listing.test[1].path == folder / f"images/{name}.jpg"
    assert len(set(listing.all_videos.groups())) == 9


def test_the_root_may_be_the_folder_of_the_lists(folder):
    assert list_cub200(folder).train.names() == list_cub200(folder.parent).train.names()


def test_other_lists_than_the_official_ones_are_refused_or_named_a_subset(folder):
    message = (
        "not the official lists of cub200: 3 classes, 6 training and 3 test images, expected 200 "
        "classes, 5994 training and 5794 test images; get CUB_200_2011.tgz"
    )
    with pytest.raises(InputError, match=message):
        load_dataset("cub200", folder)
    listing = load_dataset("cub200", folder, require_official=False)
    assert listing.name == "cub200 (subset: 6 train, 3 test images)"
    assert sum(DATASETS["cub200"].official["cub200"][1:]) == 11_788


def test_missing_images_are_named_and_counted(folder):
    for photo in sorted((folder / "images" / CLASSES[2]).glob("*"))[:2]:
        photo.unlink()
    message = (
        "2 of 9 listed images are missing: Sooty_Albatross_0007_49.jpg, "
        r"Sooty_Albatross_0008_56.jpg; looked in .*CUB_200_2011/images or .*; get CUB_200_2011.tgz"
    )
    with pytest.raises(InputError, match=message):
        load_dataset("cub200", folder.parent, require_official=False)


@pytest.mark.parametrize(
    ("name", "before", "after", "message"),
    [
        ("images", "4 002.L", "3 002.L", r"images.txt, line 4: 3 is the number of line 3 already"),
        ("images", "4 002.L", "40 002.L", r"images.txt, line 4: \w+.txt has no line of 40 \(1 of"),
        ("images", "4 002.Laysan_Albatross/", "4 ", r"images.txt, line 4: expected '<id> <class f"),
        ("images", "2 001.Bl", "2 ../Bl", r"images.txt, line 2: expected '<id> <class folder>/<"),
        (
            "images",
            "_0002_14",
            "_0001_7",
            r"images.txt, line 2: the image 001.Black_footed_Albatross/\w+_0001_7 is in line 1 alr",
        ),
        ("image_class_labels", "5 2", "5", r"image_class_labels.txt, line 5: expected '<id> <cla"),
        ("image_class_labels", "5 2", "x 2", r"image_class_labels.txt, line 5: expected '<id> <c"),
        ("image_class_labels", "9 3", "10 3", r"images.txt, line 9: image_class_labels.txt has no"),
        (
            "image_class_labels",
            "9 3\n",
            "9 3\n12 3\n",
            r"image_class_labels.txt, line 10: images.txt has no line of 12 \(1 of 10 numbers\)",
        ),
        (
            "image_class_labels",
            "5 2",
            "5 4",
            r"labels.txt, line 5: the class must be 1 to 3, .* '4",
        ),
        (
            "image_class_labels",
            "5 2",
            "5 0",
            r"labels.txt, line 5: the class must be 1 to 3, .* '0",
        ),
        ("image_class_labels", "5 2", "5 2.5", r"labels.txt, line 5: the class must be 1 to 3"),
        (
            "image_class_labels",
            "5 2",
            "5 3",
            r"labels.txt, line 5: the class 3 is 003.Sooty.*in the folder 002.*images.txt, line 5",
        ),
        (
            "train_test_split",
            "7 1",
            "7 2",
            r"split.txt, line 7: expected 1 \(training\) or 0 .*'2'",
        ),
        ("train_test_split", "7 1", "1 1", r"split.txt, line 7: 1 is the number of line 1 already"),
        ("classes", "2 002", "4 002", r"classes.txt, line 2: expected the class 2, got 4; get CUB"),
    ],
)
def test_what_is_wrong_with_a_list_is_named_with_its_line(folder, name, before, after, message):
    edit_list(folder, f"{name}.txt", before, after)
    with pytest.raises(InputError, match=message):
        list_cub200(folder)


@pytest.mark.parametrize(
    "name", ["images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt"]
)
def test_a_list_that_is_missing_empty_or_in_another_encoding_is_named(folder, name):
    text = (folder / name).read_bytes()
    (folder / name).write_bytes(text.replace(b"\n", b"\nM\xf6we\n", 1))
    with pytest.raises(InputError, match=rf"{name}: .* it must be text in UTF-8, line 2 is not"):
        list_cub200(folder)
    (folder / name).write_bytes(b"\n \n")
    with pytest.raises(InputError, match=rf"{name}: there is no line '<"):
        list_cub200(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"{name}: no such list.*; get CUB_200_2011.tgz from"):
        list_cub200(folder)
    (folder / name).write_bytes(text.replace(b"\n", b"\r\n\r\n"))
    assert len(list_cub200(folder).train) == 6


def test_a_missing_folder_says_how_to_get_the_images(tmp_path):
    with pytest.raises(InputError, match=r"nowhere does not exist; get CUB_200_2011.tgz from"):
        list_cub200(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.clip.num_frames=8", "data.clip.num_frames: expected 1 with data.name cub200, which"),
        ("eval.num_clips=10", "eval.num_clips: expected 1 with data.name cub200, which is a set"),
        ("data.distortion=R", "data.distortion R: expected null with data.name cub200"),
    ],
)
def test_settings_of_videos_are_refused(setting, message):
    with pytest.raises(InputError, match=message):
        load_config(CONFIG, [setting])


def test_the_configuration_trains_is_tested_and_draws(folder, tmp_path, capsys):
    run = tmp_path / "run"
    train_tool([CONFIG, f"data.root={folder}", *SMALL, f"train.output_dir={run}"])
    printed = capsys.readouterr().out
    assert (
        "(subset: 6 train, 3 test images): 6 training images, 3 test images, 3 classes" in printed
    )
    evaluate_tool(["--checkpoint", str(run / "last.pt"), "eval.num_crops=3"])
    line = (
        "cub200 (subset: 6 train, 3 test images): 3 images, 0 failed; "
        "64x64 (seen at 32x32, glimpses of 32x32 cut out of the clip), 3 crops, whole image"
    )
    assert json.loads((run / "evaluation/test.json").read_text())["protocol"] == line
    drawn = tmp_path / "drawn"
    visualize_tool([
        "--checkpoint", str(run / "last.pt"), "test", "--limit", "1", "--out", str(drawn)
    ])  # fmt: skip
    (sheet,) = drawn.iterdir()  # no video of one frame beside it
    assert sheet.name == "001.Black_footed_Albatross_Black_footed_Albatross_0003_21.png"
    image = cv2.imread(str(sheet))
    assert image is not None
    assert (image[..., 2].astype(int) - image[..., 1] > 150).mean() > 0.05  # the red square


def test_boxes_become_a_people_file_that_crops_the_images(folder, tmp_path, capsys):
    people = tmp_path / "boxes.sqlite"
    convert_tool([str(folder / "bounding_boxes.txt"), "--from", "cub", "--out", str(people)])
    run, own = tmp_path / "run", ("data.crop.looseness=0", "data.crop.view_share=1")
    settings = [f"data.root={folder}", *SMALL, *own, f"data.people={people}"]
    train_tool([CONFIG, *settings, f"train.output_dir={run}"])
    assert "6 training images, 0 without bird boxes (whole image), " in capsys.readouterr().out
    protocol = json.loads((run / "test.json").read_text())["protocol"]
    assert "cut out of the clip), 1 crop, bird crop (looseness 0" in protocol
    config = load_config(CONFIG, settings)
    sample = evaluation_dataset(config, load_listing(config).test)[0][0][0]
    assert sample.boxes[0].tolist() == [8, 6, 38, 36]
    assert (sample.clip.float().mean((1, 2, 3))[0] > 240).item()  # nothing but the bird
    assert torch.equal(sample.frame_indices, torch.tensor([0]))


def test_a_preview_speaks_of_one_frame(folder, tmp_path):
    preview_tool([
        CONFIG, f"data.root={folder}", *SMALL[:-3], "--limit", "1", "--out", str(tmp_path / "out")
    ])  # fmt: skip
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
