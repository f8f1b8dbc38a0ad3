"""Pytest of the whole project: notebooks in chapters/ are checked by the book's own plugin."""

import os

# One thread, before anything loads PyTorch: two that share a busy core wait for each other and take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["sdcbook.pytest_chapters", "sdcbook.no_skips"]
