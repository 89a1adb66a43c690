"""Sampling and its gradients by loops, as Jaderberg et al. 2015 write them (eq. 3 to 7).

In pixels with their centers at whole numbers, so that the edges of a map (-1 and 1) lie at -0.5 and
W - 0.5 (`align_corners=False`).
"""

import math

import numpy as np
import torch


def tent(x, m):
    """Eq. 5."""
    return max(0.0, 1 - abs(x - m))


def integer(x, m):
    """Eq. 4."""
    return float(math.floor(x + 0.5) == m)


def places(theta, size, map_hw):
    """Of every sample: index, normalized output place, and input place in pixels."""
    for i, j in np.ndindex(*size):
        x_out, y_out = (2 * j + 1) / size[1] - 1, (2 * i + 1) / size[0] - 1
        x, y = (row[0] * x_out + row[1] * y_out + row[2] for row in theta.tolist())
        # pixel centers at whole numbers, the map's edges at -0.5 and W - 0.5
        x, y = ((x + 1) * map_hw[1] - 1) / 2, ((y + 1) * map_hw[0] - 1) / 2
        yield (i, j), (x_out, y_out, 1.0), (x, y)


def clamped(x, y, map_hw, padding):
    """The places in pixels, and whether they move with theta."""
    if padding == "zeros":
        return x, y, 1.0, 1.0
    H, W = map_hw
    return min(max(x, 0), W - 1), min(max(y, 0), H - 1), float(0 < x < W - 1), float(0 < y < H - 1)


def slow_values(features, theta, size, kernel, padding):
    """Eq. 3 of Jaderberg et al. 2015 by loops."""
    N, C, H, W = features.shape
    K = theta.shape[1]
    result = torch.zeros(N, K, C, *size, dtype=torch.float64)
    for n, k, c in np.ndindex(N, K, C):
        U = features[n, c].tolist()
        for index, _, (x, y) in places(theta[n, k], size, (H, W)):
            x, y, _, _ = clamped(x, y, (H, W), padding)
            result[(n, k, c, *index)] = sum(
                U[row][column] * kernel(x, column) * kernel(y, row)
                for row, column in np.ndindex(H, W)
            )
    return result


def slow_gradients(features, theta, size, upstream, padding):
    """Eq. 6 and 7 of Jaderberg et al. 2015 by loops, and on to theta by the chain rule."""
    N, C, H, W = features.shape
    to_features, to_theta = torch.zeros_like(features), torch.zeros_like(theta)

    def slope(x, m):
        if abs(m - x) >= 1:
            return 0.0
        return 1.0 if m >= x else -1.0

    for n, k, c in np.ndindex(N, theta.shape[1], C):
        U = features[n, c].tolist()
        for index, out, (x, y) in places(theta[n, k], size, (H, W)):
            g = upstream[(n, k, c, *index)].item()
            x, y, x_moves, y_moves = clamped(x, y, (H, W), padding)
            by_x = by_y = 0.0
            for row, column in np.ndindex(H, W):
                to_features[n, c, row, column] += g * tent(x, column) * tent(y, row)
                by_x += U[row][column] * tent(y, row) * slope(x, column) * x_moves
                by_y += U[row][column] * tent(x, column) * slope(y, row) * y_moves
            for entry in range(3):
                to_theta[n, k, 0, entry] += g * by_x * W / 2 * out[entry]
                to_theta[n, k, 1, entry] += g * by_y * H / 2 * out[entry]
    return to_features, to_theta
