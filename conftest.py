"""Pytest of the whole project: notebooks in chapters/ are checked by the book's own plugin."""

pytest_plugins = ["sdcbook.pytest_chapters"]
