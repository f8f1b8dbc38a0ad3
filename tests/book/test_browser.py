"""Every built page in Chromium, served from this machine: nothing fetched elsewhere, nothing broken, nothing dead."""

from urllib.parse import unquote

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, FLAGS, STATE, STATE_TYPE, pages, served, violations, visit
from playwright.sync_api import sync_playwright
from sdcbook import build
from widget_moves import controls, shown, widgets

EVERY_PAGE = pytest.mark.parametrize("name", pages())
PHONE = 390  # pixels
SETTINGS = yaml.safe_load((build.ROOT / "_config.yml").read_text(encoding="utf-8"))
# Where buttons may lead besides the pages: nowhere, until the repository's address is set.
REPOSITORY = (SETTINGS["repository"]["url"], SETTINGS["launch_buttons"]["binderhub_url"]) if SETTINGS["repository"]["url"] else ()
MISSING = "Chromium is needed for the browser tests (on Debian and Ubuntu: apt install chromium)"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def base():
    with served() as address:
        yield address


def test_pages_are_built_from_these_sources():
    assert build.is_current(), "the pages do not fit the sources: run `make book` (`make test` does)"
    assert len(pages()) > 1


@EVERY_PAGE
def test_page(browser, base, name):
    """One visit in light colours serves most questions; what is wrong is told all at once."""
    with visit(browser, base, name) as seen:
        page = seen.page
        wrong = {
            "head": head(page),
            "formulas": formulas(page),
            "controls": controls_that_change_nothing(page),
            "links of the frame": dead_links(page, base),
            "accessibility, light": violations(page, Axe()),
        }
        page.set_viewport_size({"width": PHONE, "height": 844})
        wide = page.evaluate("document.documentElement.scrollWidth")
        wrong["phone"] = [f"the page is {wide} pixels wide"] if wide > PHONE else []
        wrong["print"] = print_shows_something_else(page)
        wrong |= traffic(seen)
    assert not {what: found for what, found in wrong.items() if found}


class TestDark:
    """A class, so that a second process may take it (pytest -n 2 --dist loadscope)."""

    @EVERY_PAGE
    def test_page(self, browser, base, name):
        with visit(browser, base, name, scheme="dark") as seen:
            assert seen.page.evaluate("document.documentElement.dataset.theme") == "dark"
            wrong = {"accessibility, dark": violations(seen.page, Axe())} | traffic(seen)
        assert not {what: found for what, found in wrong.items() if found}


@pytest.mark.parametrize("name", [name for name in pages() if STATE_TYPE in (build.PAGES / name).read_text(encoding="utf-8")])
def test_first_frames_stand_in_without_javascript(browser, base, name):
    with visit(browser, base, name, javascript=False) as seen:
        frames = seen.page.locator(".sdc-first-frame img").all()
        assert frames
        assert all(frame.is_visible() for frame in frames)


def traffic(seen):
    return {"asked other hosts": seen.foreign, "console": seen.errors, "missing files": seen.missing}


def head(page):
    description = page.locator("head meta[name=description]")
    wrong = [] if page.locator("head link[rel~=icon]").count() == 1 else ["no icon"]
    if description.count() != 1 or len(description.get_attribute("content")) < 20:
        wrong.append("no description")
    return wrong


def formulas(page):
    bare = page.locator(".math:not(:has(mjx-container))").count()
    return [f"{bare} not set"] * bool(bare) + page.locator("mjx-merror").all_inner_texts()


def controls_that_change_nothing(page):
    """Move every control of every widget; what is dead."""
    found, wrong = widgets(page), []
    if page.locator(STATE).count() and not found:
        return ["the page carries the state of widgets and shows none"]
    for i, widget in enumerate(found):
        moves = controls(widget)
        if not shown(widget) or not moves:
            wrong.append(f"widget {i}: {len(shown(widget))} figures, {len(moves)} controls")
        for what, move in moves:
            before = shown(widget)
            move()
            page.wait_for_timeout(150)
            if shown(widget) == before:
                wrong.append(f"widget {i}: {what} changes nothing")
    return wrong


def dead_links(page, base):
    """Links around the text that have no address, lead to a file that is not there, or to a repository that is not set."""
    links = page.locator(".bd-header-article a, .bd-sidebar-primary a, .prev-next-footer a")
    found = links.evaluate_all("links => links.map(link => [link.getAttribute('href'), link.href.split('#')[0]])")
    wrong = [f"no address: {bare!r}" for bare, _ in found if bare is None or bare in ("", "javascript:void(0)")]
    for address in sorted({address for _, address in found}):
        local = build.PAGES / unquote(address.removeprefix(base))
        if not (local.is_file() if address.startswith(base) else address.startswith(REPOSITORY)):
            wrong.append(address)
    return wrong


def print_shows_something_else(page):
    """In print an interactive figure is its first frame."""
    frames, figures = page.locator(".sdc-first-frame img").all(), widgets(page)
    wrong = ["a first frame shows beside its figure on the screen"] * any(frame.is_visible() for frame in frames)
    wrong += [f"{len(figures)} figures, {len(frames)} first frames"] * (len(figures) != len(frames))
    page.emulate_media(media="print")
    wrong += ["a first frame is missing in print"] * (not all(frame.is_visible() for frame in frames))
    return wrong + ["a control shows in print"] * any(figure.is_visible() for figure in figures)
