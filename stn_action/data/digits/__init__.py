"""Digits of MNIST, distorted as in the spatial transformer paper."""
