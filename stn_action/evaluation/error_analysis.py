"""What a result means: whether it beats chance, the worst class, the most confused pair.

Letters: N videos, C classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stn_action.data.video_table import Video
from stn_action.evaluation.metrics import Scores

LARGEST_P = 0.05
"""Above, a result is no better than chance."""
NAMES = 3
"""Classes and mistakes that are named."""


class Chance(NamedTuple):
    """The comparison of a top-1 accuracy with an answer that is always the same."""

    correct: int
    """Videos that are right."""
    videos: int
    """N; one that could not be read is wrong."""
    most_frequent: str
    """The class that most of them have."""
    most_frequent_videos: int
    """Its videos."""
    p: float
    """Of the exact binomial test, see `binomial_tail`."""

    @property
    def is_beaten(self) -> bool:
        """Whether the accuracy is better than chance."""
        return self.p <= LARGEST_P

    def line(self) -> str:
        """Return the line that a tool prints."""
        if self.most_frequent_videos == self.videos:
            return (
                f"all {self.videos} are of class {self.most_frequent}, so that always answering "
                "that is right: the result shows nothing"
            )
        p = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.2g}"
        word = "better" if self.is_beaten else "NOT SHOWN BETTER"
        remedy = "; look at the crops (preview), train longer or on more videos"
        return (
            f"{word} than chance: {self.correct} of {self.videos} right, always answering "
            f"{self.most_frequent} is right for {self.most_frequent_videos} (exact binomial test, "
            f"{p}){'' if self.is_beaten else remedy}"
        )


class ClassScore(NamedTuple):
    """The score of one class."""

    name: str
    score: float
    """Share of its videos that are right; with several labels its average precision."""
    videos: int


class Confusion(NamedTuple):
    """Videos of one class that are taken for another one."""

    true: str
    predicted: str
    number: int
    videos: int
    """Of the true class."""


class Mistake(NamedTuple):
    """A video that is taken for another class."""

    path: str
    """Its file or folder, with the slice."""
    true: str
    predicted: str
    probability: float
    """Of the predicted class."""


@dataclass(frozen=True)
class ErrorAnalysis:
    """What a result means; of videos with one class or with several labels."""

    worst: tuple[ClassScore, ...]
    """All classes with the lowest score, if it is not perfect."""
    chance: Chance | None = None
    """None with several labels."""
    random_map: float | None = None
    """With several labels: the mAP that random scores reach in the mean."""
    mean_map: float | None = None
    """With several labels: the mAP."""
    confused: Confusion | None = None
    """The most frequent confusion; None: there is none."""
    mistakes: tuple[Mistake, ...] = ()
    """The surest ones."""

    def numbers(self) -> dict[str, Any]:
        """Return plain types, for a file."""
        numbers: dict[str, Any] = {
            "worst_classes": [one._asdict() for one in self.worst],
            "most_confused": None if self.confused is None else self.confused._asdict(),
        }
        if self.chance is not None:
            numbers["chance"] = self.chance._asdict()
        if self.random_map is not None:
            numbers["random_map"] = self.random_map
        return numbers

    def lines(self) -> list[str]:
        """Return the lines that a tool prints."""
        lines = [] if self.chance is None else [self.chance.line()]
        if self.random_map is not None and self.mean_map is not None:
            word = "above" if self.mean_map > self.random_map else "NOT ABOVE"
            lines.append(f"{word} chance: random scores reach a mAP of {self.random_map:.1%}")
        if self.worst:
            lines.append(self._worst_line())
        if self.confused is not None:
            true, predicted, number, videos = self.confused
            lines.append(f"most confused: {true} taken for {predicted}, {number} of {videos}")
        if self.mistakes:
            shown = [
                f"{one.path} ({one.true} taken for {one.predicted}, {one.probability:.0%})"
                for one in self.mistakes
            ]
            lines.append(f"surest mistakes: {', '.join(shown)}")
        return lines

    def _worst_line(self) -> str:
        if self.chance is None:
            name, score, videos = self.worst[0]
            return f"worst class: {name}, average precision {score:.1%} ({videos} have the label)"
        shown = [
            f"{name} {round(score * videos)} of {videos} right"
            for name, score, videos in self.worst[:NAMES]
        ]
        more = f" and {len(self.worst) - NAMES} more" if self.worst[NAMES:] else ""
        return f"worst class{'es' if self.worst[1:] else ''}: {', '.join(shown)}{more}"


def analyze_errors(
    scores: Scores, videos: Sequence[Video], classes: Sequence[str]
) -> ErrorAnalysis | None:
    """Return what a result means; None for videos with a class at each of several positions.

    Args:
        scores: of `score_videos`.
        videos: in their order.
        classes: names.
    """
    if "average_precisions" in scores.artifacts:
        return _of_labels(scores, videos, classes)
    if "confusion" not in scores.artifacts:
        return None
    confusion, failed = scores.artifacts["confusion"], scores.artifacts["failed_per_class"]
    of_class = confusion.sum(1) + failed  # (C,)
    correct, most = int(confusion.diagonal().sum()), int(of_class.argmax())
    total, largest = int(of_class.sum()), int(of_class.max())
    shares = (confusion.diagonal() / of_class).nan_to_num(nan=1.0)
    return ErrorAnalysis(
        worst=_lowest(shares, of_class, classes),
        chance=Chance(
            correct, total, classes[most], largest, binomial_tail(correct, total, largest / total)
        ),
        confused=_most_confused(confusion, of_class, classes),
        mistakes=_surest_mistakes(scores.probabilities, videos, classes),
    )


def binomial_tail(successes: int, trials: int, share: float) -> float:
    """Return the probability of at least so many successes by chance: the one-sided exact test.

    Args:
        successes: observed.
        trials: independent ones.
        share: probability of a success by chance.

    >>> round(binomial_tail(3, 4, 0.5), 4)  # (4 + 1) / 16
    0.3125
    """
    if successes <= 0 or share >= 1:
        return 1.0
    if share <= 0:
        return 0.0
    numbers = torch.arange(successes, trials + 1, dtype=torch.float64)
    ways = math.lgamma(trials + 1) - (numbers + 1).lgamma() - (trials - numbers + 1).lgamma()
    logs = ways + numbers * math.log(share) + (trials - numbers) * math.log1p(-share)
    return min(1.0, float(logs.logsumexp(0).exp()))


def random_average_precision(positives: int, videos: int) -> float:
    """Return the mean average precision of all orders of some videos.

    A place k has a positive with probability n / N, and then (k - 1)(n - 1) / (N - 1) + 1 of the
    first k are positive in the mean.

    >>> random_average_precision(1, 2)  # (1 + 1 / 2) / 2
    0.75
    """
    harmonic = sum(1 / place for place in range(1, videos + 1))
    others = (positives - 1) / max(videos - 1, 1)
    return (harmonic + others * (videos - harmonic)) / videos


def _of_labels(scores: Scores, videos: Sequence[Video], classes: Sequence[str]) -> ErrorAnalysis:
    precisions = scores.artifacts["average_precisions"]
    positives = torch.zeros(len(classes), dtype=torch.int64)
    for video in videos:
        positives[list(video.labels)] += 1
    present = positives[positives > 0].tolist()
    chances = [random_average_precision(number, len(videos)) for number in present]
    return ErrorAnalysis(
        worst=_lowest(precisions.nan_to_num(nan=1.0), positives, classes),
        random_map=sum(chances) / max(len(chances), 1),
        mean_map=float(precisions.nanmean()),
    )


def _lowest(scores: Tensor, videos: Tensor, classes: Sequence[str]) -> tuple[ClassScore, ...]:
    """Return the classes with the lowest score, those with most videos first; none if it is 1."""
    lowest = scores.min()
    if lowest == 1:
        return ()
    rows: list[int] = (scores == lowest).nonzero().flatten().tolist()
    rows.sort(key=lambda row: -int(videos[row]))
    return tuple(ClassScore(classes[row], float(lowest), int(videos[row])) for row in rows)


def _most_confused(confusion: Tensor, of_class: Tensor, classes: Sequence[str]) -> Confusion | None:
    """Return the most frequent confusion; of equally frequent ones that of the rarest class."""
    others = confusion.clone().fill_diagonal_(0)
    if not others.any():
        return None
    pairs: list[list[int]] = (others == others.max()).nonzero().tolist()
    true, predicted = min(pairs, key=lambda pair: int(of_class[pair[0]]))
    return Confusion(classes[true], classes[predicted], int(others.max()), int(of_class[true]))


def _surest_mistakes(
    probabilities: Tensor, videos: Sequence[Video], classes: Sequence[str]
) -> tuple[Mistake, ...]:
    largest, predicted = probabilities.nan_to_num(0.0).max(1)
    targets = torch.tensor([video.labels[0] for video in videos])
    wrong = (predicted != targets) & ~probabilities.isnan().any(1)
    order = largest.where(wrong, -1.0).argsort(descending=True, stable=True)[: int(wrong.sum())]
    mistakes = []
    for row in order[:NAMES].tolist():
        video, label = videos[row], int(predicted[row])
        path = f"{video.path}{video.slice_label}"
        mistakes.append(
            Mistake(path, classes[int(targets[row])], classes[label], float(largest[row]))
        )
    return tuple(mistakes)
