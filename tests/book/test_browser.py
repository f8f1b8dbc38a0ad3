"""Every built page in Chromium, served from this machine: nothing fetched elsewhere, nothing broken, nothing dead."""

import os

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, FLAGS, STATE, pages, served, violations, visit
from playwright.sync_api import sync_playwright
from sdcbook import build
from widget_moves import controls, shown, widgets

EVERY_PAGE = pytest.mark.parametrize("name", pages())
MISSING = "Chromium is needed for the browser tests (on Debian and Ubuntu: apt install chromium)"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("SDC_NO_SKIPS") else pytest.skip)(MISSING)
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
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page(browser, base, name, scheme):
    with visit(browser, base, name, scheme=scheme) as seen:
        page = seen.page
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        assert page.locator("head link[rel~=icon]").count() == 1
        assert len(page.locator("head meta[name=description]").get_attribute("content")) >= 20
        formulas = page.locator(".math").count()
        assert page.locator(".math mjx-container").count() >= formulas
        assert page.locator("mjx-merror").count() == 0
        assert seen.foreign == [], "the page asked other hosts"
        assert seen.errors == [], "errors in the console"
        assert seen.missing == [], "files of ours that are not there"
        assert violations(page, Axe()) == []


@EVERY_PAGE
def test_page_does_not_scroll_sideways_on_a_phone(browser, base, name):
    with visit(browser, base, name, width=390) as seen:
        wide = seen.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{wide} pixels wide"


@EVERY_PAGE
def test_no_button_leads_nowhere(browser, base, name):
    with visit(browser, base, name) as seen:
        links = seen.page.locator(".bd-header-article a, .bd-sidebar-primary a, .prev-next-footer a")
        addresses = links.evaluate_all("links => links.map(link => link.getAttribute('href'))")
        assert not [address for address in addresses if not address], "a link with no address"
        absolute = set(links.evaluate_all("links => links.map(link => link.href.split('#')[0])"))
        # The repository's buttons exist only when its address is set in _config.yml.
        assert {address for address in absolute if not address.startswith(base)} == repository_links(absolute)
        assert not [address for address in absolute if address.startswith(base) and not seen.page.request.get(address).ok]


def repository_links(addresses):
    """Of these links those that belong to the repository named in the settings; none while it is not named."""
    import yaml

    settings = yaml.safe_load((build.ROOT / "_config.yml").read_text(encoding="utf-8"))
    repository, binder = settings["repository"]["url"], settings["launch_buttons"]["binderhub_url"]
    return {address for address in addresses if repository and address.startswith((repository, binder))}


@EVERY_PAGE
def test_every_control_changes_its_figure(browser, base, name):
    with visit(browser, base, name) as seen:
        page = seen.page
        if page.locator(STATE).count() == 0:
            return
        found = widgets(page)
        assert found, "the page carries the state of widgets and shows none"
        for widget in found:
            assert shown(widget), "a widget without a figure"
            moves = controls(widget)
            assert moves, "a widget without a control"
            for what, move in moves:
                before = shown(widget)
                move()
                widget.page.wait_for_timeout(150)
                assert shown(widget) != before, f"{what} changes nothing"
        assert seen.foreign == []
        assert seen.errors == []


@EVERY_PAGE
def test_first_frames_stand_in_without_javascript_and_in_print(browser, base, name):
    with visit(browser, base, name, javascript=False) as seen:
        frames = seen.page.locator(".sdc-first-frame img")
        assert all(frame.is_visible() for frame in frames.all())
    with visit(browser, base, name) as seen:
        frames = seen.page.locator(".sdc-first-frame img").all()
        assert frames or seen.page.locator(STATE).count() == 0, "an interactive figure without its first frame"
        assert not any(frame.is_visible() for frame in frames)
        seen.page.emulate_media(media="print")
        assert all(frame.is_visible() for frame in frames)
        assert not any(widget.is_visible() for widget in widgets(seen.page))
