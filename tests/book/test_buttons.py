"""Binder, repository, edit and issue buttons: all of them or none, from one setting."""

from types import SimpleNamespace

import pytest
import yaml
from jupyter_book.config import yaml_to_sphinx
from sdcbook import build, buttons


def theme_options(url):
    """The theme's options as the book's own settings give them, with this address of the repository."""
    settings = yaml.safe_load((build.ROOT / "_config.yml").read_text(encoding="utf-8"))
    settings["repository"]["url"] = url
    options = yaml_to_sphinx(settings)[0]["html_theme_options"]
    buttons.switch(None, SimpleNamespace(html_theme_options=options))
    return options


def test_an_address_shows_every_button():
    options = theme_options("https://example.org/someone/book")
    assert all(options[name] is True for name in buttons.BUTTONS)
    assert options["repository_url"] == "https://example.org/someone/book" and options["repository_branch"] == "main"
    assert options["launch_buttons"]["binderhub_url"].startswith("https://")


@pytest.mark.parametrize("url", ["", "  "])
def test_no_address_shows_none(url):
    options = theme_options(url)
    assert all(options[name] is False for name in buttons.BUTTONS)
    assert "launch_buttons" not in options and "repository_url" not in options
