"""Names of the metrics."""

from typing import Literal

MetricName = Literal["top1", "top5", "mean_class", "mean_ap"]
"""Metrics with a single number; `metrics.METRICS` has a row for each."""
