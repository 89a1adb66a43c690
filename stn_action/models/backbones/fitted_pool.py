"""Average pooling that fits maps of any size."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class FittedAvgPool3d(nn.AvgPool3d):
    """Average pooling whose kernel is shrunk to maps that are smaller than it.

    The heads of S3D and of pytorchvideo's networks pool with the kernel of the published clip size:
    on larger maps they average the scores of all positions, on smaller ones they fail.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pool (B, C, T, H, W)."""
        size = self.kernel_size
        sizes = [size] * 3 if isinstance(size, int) else list(size)
        kernel = [min(size, length) for size, length in zip(sizes, input.shape[2:], strict=True)]
        return F.avg_pool3d(input, kernel, self.stride, self.padding)


def fit_pooling(trunk: nn.Module) -> None:
    """Exchange all average pooling of fixed kernels in a trunk, in place."""
    for parent in list(trunk.modules()):
        for name, pool in parent.named_children():
            if type(pool) is nn.AvgPool3d:
                # pytorchvideo's numbers may be NumPy's, which the compiler takes for tensors
                kernel, stride, padding = map(_plain, (pool.kernel_size, pool.stride, pool.padding))
                fitted = FittedAvgPool3d(kernel, stride, padding)
                setattr(parent, name, fitted)


def _plain(size: int | Sequence[int]) -> tuple[int, int, int]:
    """Return a size of three axes as Python's own numbers."""
    T, H, W = size if isinstance(size, Sequence) else (size, size, size)
    return int(T), int(H), int(W)
