"""The built pages, read as files: links lead somewhere, images say what is on them, nothing was left out."""

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from sdcbook import build, chapters

import sdclib

PAGES = sorted(path for path in build.PAGES.rglob("*.html") if "_static" not in path.parts)
EVERY_PAGE = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(build.PAGES).as_posix())
CHAPTERS = chapters.find(build.ROOT / "chapters")
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
LEAST_ALT = 15  # characters: a name is not what is to be seen


@cache
def read(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(path):
    return {tag.get("id") for tag in read(path).find_all(id=True)} | {tag.get("name") for tag in read(path).find_all("a", attrs={"name": True})}


def addresses(soup):
    """Every address on a page that is not on another host, and the tag that has it."""
    for tag in soup.find_all(["a", "img", "link", "script"]):
        address = tag.get("href") or tag.get("src")
        if address and not urlsplit(address).scheme and not address.startswith("//"):
            yield tag, urlsplit(address)


def test_pages_are_built_from_these_sources():
    assert build.is_current(), "the pages do not fit the sources: run `make book` (`make test` does)"
    assert PAGES


@EVERY_PAGE
def test_links_lead_somewhere(path):
    broken = []
    for tag, address in addresses(read(path)):
        target = (path.parent / unquote(address.path)).resolve() if address.path else path
        if not target.is_file():
            broken.append(f"<{tag.name}> {address.geturl()}: no such file")
        elif tag.name == "a" and address.fragment and target.suffix == ".html" and unquote(address.fragment) not in anchors(target):
            broken.append(f"<a> {address.geturl()}: no such place on that page")
    assert broken == []


def alts(path):
    """The alternative text of every image in a page's text, and of every frame of its interactive figures."""
    article = read(path).find("article")
    images = article.find_all("img") if article else []
    for script in read(path).find_all("script", type=STATE):
        for model in json.loads(script.string)["state"].values():
            images += BeautifulSoup(model["state"].get("value") or "", "html.parser").find_all("img") if model["model_name"] == "HTMLModel" else []
    return [image.get("alt", "") for image in images]


@EVERY_PAGE
def test_images_say_what_is_to_be_seen(path):
    assert [alt for alt in alts(path) if len(alt) < LEAST_ALT or "_images/" in alt or re.fullmatch(r"\S+\.(png|svg|jpe?g)", alt)] == []


@EVERY_PAGE
def test_every_widget_has_its_state(path):
    state = {key for script in read(path).find_all("script", type=STATE) for key in json.loads(script.string)["state"]}
    views = {json.loads(script.string)["model_id"] for script in read(path).find_all("script", type=VIEW)}
    assert views <= state


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_has_its_page(chapter):
    assert f"chapters/{chapter.stem}" in contents(), "the chapter has no line in _toc.yml"
    page = read(build.PAGES / "chapters" / f"{chapter.stem}.html")
    shown = len(page.find_all("script", type=VIEW))
    stored = sum(VIEW in output.get("data", {}) for cell in chapters.read(chapter).cells for output in cell.get("outputs", []))
    assert shown == stored, "interactive figures that are stored and not on the page"
    assert len(page.select(".sdc-first-frame")) == stored
    assert len(page.select(".sdc-header")) == 1


def contents():
    """Every file that _toc.yml names."""

    def files(entry):
        if isinstance(entry, dict):
            for key, value in entry.items():
                yield from [value] if key in ("file", "root") else files(value)
        elif isinstance(entry, list):
            for part in entry:
                yield from files(part)

    return list(files(yaml.safe_load((build.ROOT / "_toc.yml").read_text(encoding="utf-8"))))


def test_table_of_contents_names_files_that_are_there_once():
    names = contents()
    assert len(set(names)) == len(names)
    assert [name for name in names if not any((build.ROOT / f"{name}{kind}").is_file() for kind in (".md", ".ipynb"))] == []


def test_library_reference_has_every_module():
    modules = {name for name in sdclib.__all__ if any((Path(sdclib.__file__).parent / name).with_suffix(end).exists() for end in ("", ".py"))}
    assert {f"appendices/library/{name}" for name in modules} <= set(contents())
