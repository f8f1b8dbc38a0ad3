"""Chapters are tests too: nbval's, and what our plugin adds to each (budget, exercises, ablations)."""

pytest_plugins = ["sdcbook.pytest_chapters"]
