"""Pure differentiable tensor functions: boxes, transforms, sampling."""
