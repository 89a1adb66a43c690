"""A checkpoint as a function from a video to a prediction: no configuration, no training code.

Letters: V views of a video, T frames of a view, C classes, K heads.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np
import torch
from torch import Tensor

from stn_action.batch import Batch, Sample, class_probabilities, collate
from stn_action.build.crop_settings import crop_of, mean_color_of
from stn_action.build.data import evaluation_dataset, evaluation_loader
from stn_action.build.given_views import given_views
from stn_action.build.people import people_of, tubes_of
from stn_action.build.video_sets import unlabeled_video
from stn_action.config.schema import Config
from stn_action.data.clips import ClipDataset
from stn_action.data.source import ClipSource
from stn_action.data.video_table import Video, VideoTable
from stn_action.distributed import precision_on
from stn_action.errors import InputError
from stn_action.evaluation.video_prediction import FailedPrediction, VideoPrediction
from stn_action.export.export_forms import ExportedNetwork
from stn_action.export.trained_network import open_trained
from stn_action.models.compiled_network import compile_network
from stn_action.models.folded_calls import FoldedCalls
from stn_action.models.network import FocusedNetwork
from stn_action.models.prediction import Focus, Prediction, join_focus
from stn_action.person.box_error import tubes_with_error
from stn_action.person.store.people_file import open_people
from stn_action.person.tube import Tube
from stn_action.person.video_people import People, VideoPeople
from stn_action.video.frame_array import FrameArray
from stn_action.video.reader import VideoError


class Predictor:
    """A trained network with the names of its classes and the preprocessing of its videos.

    Several threads may share one: their calls wait for each other.

    Example:
        >>> predictor = Predictor.load("runs/mine/last.pt")  # doctest: +SKIP
        >>> predictor.predict("video.mp4").top(3)  # doctest: +SKIP
    """

    def __init__(
        self,
        network: FocusedNetwork | ExportedNetwork,
        classes: Sequence[str],
        config: Config,
        *,
        positions: int = 1,
        multi_label: bool = False,
        people: People | None = None,
        trained_with: Path | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        """Move the network to its device. Most callers want `load`.

        Args:
            network: trained.
            classes: names of the C classes.
            config: how clips are made; how many views a video has. Scenes are of a data set: with
                `data.crop.beyond=scene` crops are padded. With `eval.compile` the network is
                compiled, in place; an exported one runs as it is.
            positions: how many the network classifies; see `VideoPrediction.positions`.
            multi_label: a video may have several labels: each class has a probability of its own.
            people: person boxes by the video's name; None: whole frames, unless tubes are given.
            trained_with: the person boxes of its training, for `whole_frame_note`; None: none.
            device: None: a GPU if there is one.
        """
        default = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(default if device is None else device)
        self.network = network.to(self.device).eval()
        self.classes = tuple(classes)
        self.positions = positions
        self.multi_label = multi_label
        self.people = people
        self.trained_with = trained_with
        self.config = _without_scenes(config)
        self._lock = Lock()
        self._calls = FoldedCalls(self.network)
        if config.eval.compile and isinstance(network, FocusedNetwork):
            compile_network(network, "eval.compile")

    @classmethod
    def load(
        cls,
        path: str | Path,
        overrides: Sequence[str] = (),
        *,
        people: str | Path | None = None,
        own_files: bool = False,
        trust: bool = False,
        device: torch.device | str | None = None,
    ) -> Self:
        """Load a checkpoint, or what tools/export.py made of one.

        It carries the names of its classes and how clips are made. A checkpoint also names files
        of the machine where it was trained: person boxes, target regions, a manifest. These are
        opened only if `own_files` is true, since a checkpoint may come from elsewhere and name any
        file.

        Args:
            path: a `last.pt` or `best.pt`; an .onnx file, which ONNX Runtime runs on the CPU, a
                .pt2 or a .safetensors file.
            overrides: settings in place of the checkpoint's, as in `eval.num_clips=1`. Boxes are
                used as they are: a checkpoint's `data.crop.box_error` counts only if it is here.
            people: a people file or a folder of boxes; None: that of `data.people` in `overrides`,
                or the checkpoint's own with `own_files` if it is still there, else whole frames.
            own_files: open the files that the checkpoint names.
            trust: run the code that the checkpoint names, of a network of the user's own
                (`model.backbone=python:...`); without it such a checkpoint is refused.
            device: None: a GPU if there is one.

        Raises:
            InputError: no checkpoint, the overrides do not fit it, it names code without `trust`,
                or `people` holds no boxes.
        """
        opened = open_trained(path, overrides, own_files=own_files, trust=trust)
        config, trained_with = opened.config, opened.trained_with
        given = any(text.partition("=")[0].strip() == "data.people" for text in overrides)
        if people is not None:
            boxes = open_people(Path(people))
        elif given or (config.data.people is not None and config.data.people.exists()):
            boxes = people_of(config)
        else:
            boxes = None
        if given and config.data.people is None:
            trained_with = None  # whole frames are asked for
        return cls(
            opened.network, opened.classes, config, positions=opened.positions,
            multi_label=opened.multi_label, people=boxes, trained_with=trained_with, device=device,
        )  # fmt: skip

    def predict(
        self,
        video: str | Path | Tensor | np.ndarray,
        *,
        tubes: Sequence[Tube] | None = None,
        fps: float = 25.0,
    ) -> VideoPrediction:
        """Predict one video, by the test protocol of the checkpoint.

        Args:
            video: a file or a folder of frames, or the frames (T, H, W, 3) or (T, 3, H, W), uint8
                RGB.
            tubes: the people in it; None: those that `people` knows of the file, by its name.
            fps: of frames that are given.

        Raises:
            VideoError: the file cannot be read.
            InputError: the frames have another shape or type, or the boxes are of another video.
        """
        with self._lock:
            if isinstance(video, str | Path) and tubes is None:
                named = unlabeled_video(Path(video))
                samples, failures = self._dataset([named])[0]
                if failures:
                    raise VideoError(failures[0][1])
                return self._prediction(named, collate([(samples, [])]))
            given = unlabeled_video(Path("frames"))
            if isinstance(video, str | Path):
                given = unlabeled_video(Path(video))
                data = self.config.data
                reader = given.open(data.reader, max_pixels=data.max_pixels)
            else:
                reader = FrameArray(video, fps=fps)
            with reader:
                found = VideoPeople(given.name, tuple(tubes or ()))
                kept = tubes_of(self.config).kept(found.tubes_in(reader.size_hw))
                kept = tubes_with_error(kept, crop_of(self.config).box_error, given.name)
                batch = collate([(given_views(self.config, reader, kept), [])])
            return self._prediction(given, batch, person_found=bool(kept))

    def predict_samples(self, samples: Sequence[Sample], name: str) -> VideoPrediction:
        """Predict clips that are already made, each one as a view.

        Args:
            samples: at least one.
            name: of what they show.
        """
        with self._lock:
            batch = collate([(list(samples), [])])
            return self._prediction(unlabeled_video(Path(name)), batch, person_found=False)

    def predict_all(
        self, videos: Sequence[Video], *, num_crops: int | None = None
    ) -> Iterator[VideoPrediction | FailedPrediction]:
        """Predict many videos, decoded by `data.num_workers` processes.

        Args:
            videos: in the order of the results.
            num_crops: views of a clip in place of the checkpoint's `eval.num_crops`.

        Yields:
            What `predict` returns, or why a video cannot be read.

        Raises:
            InputError: boxes or a manifest are of other videos, or none of the videos can be read.
        """
        dataset = self._dataset(videos, num_crops)
        workers = min(self.config.data.num_workers, len(videos))
        batches = evaluation_loader(self.config, dataset, batch_size=1, workers=workers)
        failed: list[FailedPrediction] = []  # those before the first that can be read
        any_read = False
        for video, batch in zip(videos, batches, strict=True):
            if batch.failures:
                failure = FailedPrediction(video.name, batch.failures[0][1])
                if any_read:
                    yield failure
                else:
                    failed.append(failure)
                continue
            if not any_read:
                any_read = True
                yield from failed
            with self._lock:
                prediction = self._prediction(video, batch)
            yield prediction
        if failed and not any_read:
            raise InputError(
                f"no video can be predicted, {len(failed)} failed; the first: {failed[0].failure}"
            )

    def whole_frame_note(self, videos: Sequence[Video]) -> str | None:
        """Return a note on videos used as whole frames by a network trained on crops."""
        source = self.trained_with or self.config.data.people
        if source is None:
            return None
        if self.people is None:
            return (
                f"note: the network was trained with person boxes, {source}; they are not opened "
                "unless you ask for them, so whole frames are used; give data.people="
                f"{source}, or boxes of these videos with data.people=FILE_OR_FOLDER"
            )
        missing = [video.name for video in videos if self.people.find(video.name) is None]
        if not missing:
            return None
        return (
            f"note: {len(missing)} of {len(videos)} videos have no person boxes in "
            f"{self.people.source}, so their whole frames are used: {missing[0]}"
            + (", ..." if missing[1:] else "")
        )

    def _dataset(self, videos: Sequence[Video], num_crops: int | None = None) -> ClipDataset:
        source = ClipSource(
            VideoTable(), crop_of(self.config), mean_color=mean_color_of(self.config),
            people=self.people, tubes=tubes_of(self.config), backend=self.config.data.reader,
            max_pixels=self.config.data.max_pixels,
        )  # fmt: skip
        unlabeled = [replace(video, target=0) for video in videos]  # whatever kind of target
        return evaluation_dataset(self.config, unlabeled, crops=num_crops, source=source)

    @torch.inference_mode()
    def _prediction(
        self, video: Video, batch: Batch, *, person_found: bool | None = None
    ) -> VideoPrediction:
        """Predict a batch of all views of one video; `person_found` None: ask `people`."""
        if person_found is None:
            found = None if self.people is None else self.people.find(video.name)
            person_found = bool(found and tubes_of(self.config).kept(found.tubes))
        with self._precision():
            size = self.config.eval.batch_size
            parts = [batch.rows(slice(i, i + size)) for i in range(0, len(batch.clip), size)]
            predictions = [self._calls(**part.inputs(self.device)) for part in parts]
        logits = torch.cat([part.logits.float() for part in predictions])
        views = (
            logits.sigmoid() if self.multi_label else class_probabilities(logits, self.positions)
        )
        views = views.cpu()
        if not views.isfinite().all():
            raise InputError(
                f"{video.name}: the network's output is not finite: its training diverged, or the "
                "clip does not suit it. Take another checkpoint, or train.precision=float32"
            )
        return VideoPrediction(
            video.name, self.classes, views.mean(0), views, batch.frame_indices, batch.boxes,
            _joined_focus(predictions), person_found, self.positions,
        )  # fmt: skip

    def _precision(self):
        """Return the autocast context, as in training."""
        precision = precision_on(self.device.type, self.config.train.precision)
        if precision == "float32":
            return nullcontext()
        dtype = torch.float16 if precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, dtype)


def _without_scenes(config: Config) -> Config:
    """Return settings that pad where a clip of a data set would show another one of its clips."""
    crop, data = config.data.crop, config.data
    if crop.beyond == "scene":
        crop = crop.model_copy(update={"beyond": "pad"})
    return config.model_copy(update={"data": data.model_copy(update={"crop": crop})})


def _joined_focus(predictions: Sequence[Prediction]) -> tuple[Focus, ...]:
    """Concatenate each placement's focus over all views, on the CPU."""
    placements = zip(*(part.focus for part in predictions), strict=True)
    return tuple(join_focus([part.cpu() for part in parts]) for parts in placements)
