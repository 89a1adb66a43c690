"""Stress runs: kills, damaged files, full disks and several processes, one file per subject."""
