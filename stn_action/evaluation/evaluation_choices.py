"""Names of the metrics, and of the classes that masks are explained for."""

from typing import Literal

MetricName = Literal["top1", "top5", "mean_class", "mean_ap", "top1_position"]
"""Metrics with a single number; `metrics.METRICS` has a row for each."""

Task = Literal["class", "labels", "positions"]
"""What a video has: one class, several labels, or a class at each of several positions."""

Explained = Literal["predicted", "true"]
"""Whose probability is followed while pixels are masked."""
