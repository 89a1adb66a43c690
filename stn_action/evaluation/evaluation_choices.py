"""Names of the metrics, and of the classes that masks are explained for."""

from typing import Literal

MetricName = Literal["top1", "top5", "mean_class", "mean_ap"]
"""Metrics with a single number; `metrics.METRICS` has a row for each."""

Explained = Literal["predicted", "true"]
"""Whose probability is followed while pixels are masked."""
