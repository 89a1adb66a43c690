"""Distorted digits as clips."""

import pickle
from contextlib import nullcontext

import pytest
import torch

from stn_action.batch import collate
from stn_action.data.datasets.mnist import list_mnist, list_mnist_addition
from stn_action.data.digits.digit_clips import DigitClips, digit_numbers, holds_digits
from stn_action.data.digits.distortions import DISTORTIONS
from stn_action.data.source import ClipSource
from stn_action.errors import InputError
from stn_action.person.crop import CropSpec
from tests.digit_tree import write_digits


@pytest.fixture
def source(tmp_path):
    listing = list_mnist(write_digits(tmp_path, train=20, test=6))
    return ClipSource(listing.train, CropSpec(size=(30, 42)))


def clips_of(dataset):
    return collate(dataset.__getitems__(list(range(len(dataset)))))


def test_a_batch_holds_clips_of_one_frame(source):
    batch = clips_of(DigitClips(source, distortion="RTS"))
    assert batch.clip.shape == (20, 3, 1, 30, 42)
    assert batch.clip.dtype == torch.uint8
    assert torch.equal(batch.clip[:, 0], batch.clip[:, 2])
    assert torch.equal(batch.target, source.videos.targets)
    assert batch.video.tolist() == list(range(20))
    assert batch.boxes[3].tolist() == [[0, 0, 42, 30]]
    assert batch.extents[3].tolist() == [[[-1, -1, 1, 1]] * 2]


def test_each_epoch_distorts_anew_and_a_fixed_set_does_not(source):
    random, fixed = (DigitClips(source, distortion="R", fixed=fixed) for fixed in (False, True))
    first, same = clips_of(random).clip, clips_of(fixed).clip
    for dataset in (random, fixed):
        dataset.set_epoch(1)
    assert not torch.equal(clips_of(random).clip, first)
    assert torch.equal(clips_of(fixed).clip, same)
    random.set_epoch(0)
    assert torch.equal(clips_of(random).clip, first)
    assert not torch.equal(clips_of(DigitClips(source, distortion="R", seed=1)).clip, first)


def test_a_digit_is_the_same_alone_in_a_part_and_in_another_process(source):
    dataset = DigitClips(source, distortion="TC")
    of_all = clips_of(dataset).clip
    assert torch.equal(dataset[7][0][0].clip, of_all[7])
    part = DigitClips(source.select(source.videos.select([7, 3])), distortion="TC")
    assert torch.equal(clips_of(part).clip, of_all[[7, 3]])
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[7][0][0].clip, of_all[7])


def test_without_a_distortion_the_digit_is_in_the_middle(source):
    dataset = DigitClips(source, distortion=None)
    assert torch.equal(dataset[5][0][0].clip[1, 0, 1:29, 7:35], dataset.images[5])


def test_two_digits_are_in_two_channels_each_distorted_alone(tmp_path):
    listing = list_mnist_addition(write_digits(tmp_path, train=20, test=6))
    source = ClipSource(listing.train, CropSpec(size=(42, 42)))
    plain = DigitClips(source, distortion=None)
    clip = plain[3][0][0].clip[:, 0]
    for channel, number in enumerate(plain.numbers[3]):
        assert torch.equal(clip[channel, 7:35, 7:35], plain.images[number])
    assert not clip[2].any()
    distorted = DigitClips(source, distortion="RTS")
    first = DigitClips(ClipSource(list_mnist(tmp_path).train, source.crop), distortion="RTS")
    batch = clips_of(distorted).clip
    assert torch.equal(batch[:, 0], clips_of(first).clip[:, 0])
    mirrored = distorted.numbers[:, 1].argsort()  # the pair in which each digit is the second
    assert not torch.equal(batch[mirrored, 1], batch[:, 0])


def test_a_trace_is_the_canvas(source):
    dataset = DigitClips(source, distortion="R")
    (trace,) = dataset.trace(2)
    assert trace.images[0].shape == (30, 42, 3)
    assert torch.equal(torch.from_numpy(trace.images[0]).permute(2, 0, 1), trace.sample.clip[:, 0])
    assert dataset.trace(2, views=[]) == []
    assert dataset.num_views(2) == 1


def test_what_is_not_there_is_refused(source):
    dataset = DigitClips(source, distortion="R")
    with pytest.raises(IndexError, match=r"\[0, 20\), got 20"):
        dataset[20]
    small = ClipSource(source.videos, CropSpec(size=(20, 42)))
    with pytest.raises(InputError, match="smaller than a digit"):
        DigitClips(small, distortion="R")


def test_names_tell_digits(tmp_path):
    assert digit_numbers("train/00017") == [17]
    assert digit_numbers("train/00017+00004") == [17, 4]
    assert holds_digits(tmp_path / "train-images-idx3-ubyte.gz")
    assert holds_digits(tmp_path / "train-images-idx3-ubyte")
    assert not holds_digits(tmp_path / "train-labels-idx1-ubyte")


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_digits_are_distorted_on_the_device_that_computes(source, distortion, monkeypatch):
    """On the device without values, every tensor that is left behind is an error."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it has none there
    dataset = DigitClips(source, distortion=distortion)
    dataset.compute_on(torch.device("meta"))
    clip = clips_of(dataset).clip
    assert (clip.device.type, clip.shape) == ("meta", (20, 3, 1, 30, 42))
