"""Clips read from video files, relative to the bare decoder that delivers the same frames.

A video is opened, a clip of it read, cropped (the center of the full frame) and resized as in
training, at stride 4: 16 x 112 x 112 out of a 320x240 XviD AVI, 16 x 224 x 224 out of H.264
340x256 with sparse (250) and dense (16) keyframes. The bare decoder opens, goes to the keyframe
before (OpenCV: reads from the start, its seeking is not exact), decodes, and converts the wanted
frames to RGB; it neither crops nor resizes. Everything on one thread. Numbers are ratios of medians
of interleaved repeats in one run: 1.00 is as many clips a second as the bare decoder of the same
library; "read" is the reader alone, without crop and resize.

With --memory: how much a process grows that opens many videos in a row.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import decord
import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from torch import Tensor

from benchmarks.decoded_crops import compare_crops
from benchmarks.other_decoders import Bare
from benchmarks.timing import keep_freed_memory, medians
from stn_action.data.clips import TrainClips
from stn_action.data.footage import Cut, Footage, read_views
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.source import ClipSource
from stn_action.data.video_table import Video, VideoTable
from stn_action.person.crop import CropSpec, View, source_box, view_boxes
from stn_action.person.image_crop import crop_images
from stn_action.video.backend_table import BACKENDS, open_video
from stn_action.video.video_choices import Reader
from stn_action.video.writer import write_video

SHARED = Path(__file__).parents[2] / "shared" / "data"
XVID = SHARED / "smoke_clips" / "v_Basketball_g01_c01.avi"
UNCOUNTED = (
    SHARED / "ut_interaction_set1" / "1_1_2.avi",
    SHARED / "smoke_clips" / "yowov2_v_Basketball_g01_c02.mp4",
)
"""AVI with B-frames and a raw MPEG-4 stream: only decoding counts their frames."""
FOLDERS = [SHARED / "smoke_clips", SHARED / "ut_interaction_set1"]
FRAMES, STRIDE = 16, 4
VIEW = View(0.875)
COLUMNS = (
    "video", "clip", "bare ms: pyav", "opencv", "decord", "pyav clip / bare", "opencv", "decord",
    "pyav read / bare", "cut and resize ms", "pyav / opencv", "pyav / decord",
)  # fmt: skip


class Source(NamedTuple):
    """A file, and the clips read from it."""

    name: str
    path: Path
    size: int
    """Side of the clip, pixels."""


def main(arguments: list[str] | None = None) -> None:
    """Parse, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=31)
    parser.add_argument("--frames", type=int, default=300, help="of the generated videos")
    parser.add_argument("--crops", action="store_true", help="measure only the table of crops")
    parser.add_argument(
        "--decord2", type=Path, metavar="FOLDER", help="where `pip install --target FOLDER` put it"
    )
    parser.add_argument("--memory", action="store_true", help="measure memory instead of speed")
    parser.add_argument("--opens", type=int, default=2000, help="memory: videos in a row")
    parser.add_argument(
        "--folders", type=Path, nargs="+", default=FOLDERS, help="memory: of videos"
    )
    parser.add_argument("--in-worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if not options.memory and not options.in_worker:
        keep_freed_memory()
    if options.in_worker:
        _open_in_a_row(options.folders, options.opens)
    elif options.memory:
        folders = [str(folder) for folder in options.folders]
        command = [sys.executable, sys.argv[0], "decode", "--in-worker"]
        command += ["--opens", str(options.opens), "--folders", *folders]
        subprocess.run(command, check=True)
    else:
        with tempfile.TemporaryDirectory() as folder:
            sources = _sources(Path(folder), options.frames)
            versions = (
                f"{library.__name__} {library.__version__}" for library in (av, cv2, decord)
            )
            print(f"{', '.join(versions)}, one thread, {FRAMES} frames at stride {STRIDE}")
            if not options.crops:
                _compare(sources, options.repeats)
            _compare_crops(sources, options.repeats, options.decord2)
        if not options.crops:
            _compare_lengths([path for path in UNCOUNTED if path.is_file()], options.repeats)


def _compare(sources: Sequence[Source], repeats: int) -> None:
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + " --- |" * len(COLUMNS))
    for source in sources:
        with open_video(source.path) as reader:
            last_start = len(reader) - 1 - (FRAMES - 1) * STRIDE
        for place, start in (("early", 3), ("middle", last_start // 2), ("late", last_start)):
            indices = list(range(start, start + FRAMES * STRIDE, STRIDE))
            print("| " + " | ".join(_row(source, place, indices, repeats)) + " |", flush=True)


def _compare_crops(sources: Sequence[Source], repeats: int, decord2: Path | None) -> None:
    """Fixed and moving boxes from the first and the last source."""

    def indices_of(length: int) -> dict[str, list[int]]:
        span = FRAMES * STRIDE
        starts = {"early": 3, "late": length - 1 - (FRAMES - 1) * STRIDE}
        return {place: [*range(start, start + span, STRIDE)] for place, start in starts.items()}

    paths = {source.name: source.path for source in (sources[0], sources[-1])}
    bare: dict[str, Bare] = {"pyav": _bare_pyav, "opencv": _bare_opencv, "decord": _bare_decord}
    compare_crops(paths, bare, indices_of, repeats, decord2)


def _row(source: Source, place: str, indices: list[int], repeats: int) -> list[str]:
    path = source.path
    with open_video(path) as reader:
        images = reader.read_images(indices)
    for ours, bare in zip(images, _bare_pyav(path, indices), strict=True):
        np.testing.assert_array_equal(ours, bare)
    bare = {"pyav": _bare_pyav, "opencv": _bare_opencv, "decord": _bare_decord}
    crop = CropSpec((source.size, source.size))
    clips = torch.tensor([indices])
    region = source_box(None, images[0].shape[:2], crop)
    boxes = view_boxes(region, VIEW, crop.aspect)
    variants: dict[str, Callable[[], object]] = {
        "read": partial(_read, path, indices),
        "cut": lambda: crop_images(images, boxes, crop.size),
    }
    for name in BACKENDS:
        variants[f"bare {name}"] = partial(bare[name], path, indices)
        variants[name] = partial(_clip, path, clips, crop, name)
    seconds = medians(variants, repeats=repeats)
    milliseconds = [f"{1e3 * seconds[f'bare {name}']:.1f}" for name in bare]
    ratios = [f"{seconds[f'bare {name}'] / seconds[name]:.2f}" for name in bare]
    ratios += [f"{seconds['bare pyav'] / seconds['read']:.2f}", f"{1e3 * seconds['cut']:.1f}"]
    ratios += [f"{seconds[name] / seconds['pyav']:.2f}" for name in ("opencv", "decord")]
    return [source.name, place, *milliseconds, *ratios]


def _compare_lengths(paths: Sequence[Path], repeats: int) -> None:
    """A clip from the middle with the length counted and given; all frames streamed and read."""
    print("\n| video | clip ms, counted | known length | stream ms | count and read |")
    print("|" + " --- |" * 5)
    for path in paths:
        with open_video(path) as reader:
            length = len(reader)
        start = (length - 1 - (FRAMES - 1) * STRIDE) // 2
        clips = start + torch.arange(FRAMES)[None] * STRIDE
        crop = CropSpec((224, 224))
        seconds = medians(
            {
                "counted": partial(_clip, path, clips, crop, "auto"),
                "known": partial(_clip, path, clips, crop, "auto", length),
                "stream": lambda path=path: _stream(path),
                "read": lambda path=path, every=range(length): _read(path, [*every]),
            },
            repeats=repeats,
        )
        times = [f"{1e3 * seconds[name]:.1f}" for name in ("counted", "known", "stream", "read")]
        print("| " + " | ".join([f"{path.name}, {length} frames", *times]) + " |", flush=True)


def _stream(path: Path) -> int:
    with open_video(path) as reader:
        return sum(1 for _ in reader.stream())


def _clip(
    path: Path, clips: Tensor, crop: CropSpec, backend: Reader, num_frames: int | None = None
) -> Tensor:
    with open_video(path, backend, num_frames=num_frames) as reader:
        len(reader)  # a clip's frames are chosen by it
        footage = Footage(clips, reader.size_hw, (), "longest", crop)
        cut = Cut(0, None, footage.region(None), VIEW)
        return read_views(reader, footage, [cut])[0].clip


def _read(path: Path, indices: list[int]) -> list[np.ndarray]:
    with open_video(path) as reader:
        return reader.read_images(indices)


def _bare_pyav(path: Path, indices: list[int]) -> list[np.ndarray]:
    wanted, images, convert = set(indices), [], VideoReformatter()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        assert stream.time_base is not None
        assert stream.average_rate is not None
        step = 1 / (stream.time_base * stream.average_rate)
        begin = stream.start_time or 0
        container.seek(int(begin + indices[0] * step), stream=stream)
        for frame in container.decode(stream):
            assert frame.pts is not None
            index = round((frame.pts - begin) / step)
            if index in wanted:
                rgb = convert.reformat(frame, format="rgb24", interpolation="BICUBIC", threads=1)
                images.append(rgb.to_ndarray())
            if index >= indices[-1]:
                break
    return images


def _bare_opencv(path: Path, indices: list[int]) -> list[np.ndarray]:
    wanted, images = set(indices), []
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    for index in range(indices[-1] + 1):
        capture.grab()
        if index in wanted:
            images.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
    capture.release()
    return images


def _bare_decord(path: Path, indices: list[int]) -> np.ndarray:
    return decord.VideoReader(str(path), num_threads=1).get_batch(indices).asnumpy()


def _sources(folder: Path, num_frames: int) -> list[Source]:
    xvid = XVID
    if not xvid.is_file():
        xvid = folder / "xvid.avi"
        _write_avi(xvid, moving_frames(num_frames // 2, (240, 320)))
    sources = [Source("XviD 320x240", xvid, 112)]
    for gop in (250, 16):
        path = folder / f"{gop}.mp4"
        write_video(path, moving_frames(num_frames, (256, 340)), fps=25, crf=23, gop=gop)
        sources.append(Source(f"H.264 340x256, GOP {gop}", path, 224))
    return sources


def moving_frames(count: int, size_hw: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield discs that cross a smooth moving background, with a little noise."""
    generator = np.random.default_rng(0)
    height, width = size_hw
    noise = generator.integers(0, 256, (height + 120, width + 120, 3), dtype=np.uint8)
    background = cv2.GaussianBlur(noise, (0, 0), 2.5).astype(float)
    background = ((background - background.min()) * 249 / np.ptp(background)).astype(np.uint8)
    places, speeds = generator.uniform(0, width, (8, 2)), generator.uniform(-4, 4, (8, 2))
    colors = generator.integers(0, 249, (8, 3)).tolist()
    for number in range(count):
        x, y = int(60 + 55 * np.sin(number / 40)), int(60 + 55 * np.cos(number / 53))
        image = background[y : y + height, x : x + width].copy()
        for place, color in zip(places + number * speeds, colors, strict=True):
            center = int(place[0]) % width, int(place[1]) % height
            cv2.circle(image, center, 20, color, thickness=-1)
        yield image + generator.integers(0, 6, image.shape, dtype=np.uint8)


def _write_avi(path: Path, images: Iterator[np.ndarray]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30, options={"g": "12", "bf": "0"})
        stream.height, stream.width, stream.bit_rate = 240, 320, 1_000_000
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def _open_in_a_row(folders: Sequence[Path], opens: int) -> None:
    paths = sorted(path for folder in folders for path in folder.iterdir())
    paths = [path for path in paths if path.suffix in (".avi", ".mp4")]
    videos = VideoTable(Video(path.stem, path, 0, path.stem) for path in paths)
    source = ClipSource(videos, CropSpec((112, 112)))
    dataset = TrainClips(source, sampling=ClipSampling(FRAMES, STRIDE))
    for index in range(len(videos)):  # warm-up: every file once
        dataset[index]
    before = _resident_megabytes()
    print(f"| videos opened | growth MB |\n| --- | --- |\n| {len(videos)} | 0 ({before:.0f} MB) |")
    for number, index in enumerate(islice(cycle(range(len(videos))), opens), start=1):
        dataset[index]
        if number % max(1, opens // 4) == 0:
            print(f"| {number} | {_resident_megabytes() - before:.1f} |", flush=True)


def _resident_megabytes() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return kilobytes / 1024
