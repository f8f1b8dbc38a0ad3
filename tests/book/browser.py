"""A browser over the built pages: what the tests in test_browser.py stand on."""

import functools
import http.server
import json
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sdcbook.build import PAGES

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
ALLOWED = json.loads((Path(__file__).parent / "axe_allowed.json").read_text(encoding="utf-8"))
# Without preload axe does not fetch style sheets itself (it looks for their imports in the wrong folder).
AXE = {"resultTypes": ["violations"], "preload": False}
STATE_TYPE = "application/vnd.jupyter.widget-state+json"
STATE = f'script[type="{STATE_TYPE}"]'
VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]'


def pages():
    """Every page that was built, as its address below the root."""
    return sorted(path.relative_to(PAGES).as_posix() for path in PAGES.rglob("*.html") if "_static" not in path.parts)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextmanager
def served(folder=PAGES):
    """The pages at an address on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Visit:
    """A page that is open in the browser, and what it did so far."""

    page: object
    foreign: list = field(default_factory=list)  # addresses on other hosts that it asked for
    errors: list = field(default_factory=list)  # what it wrote to the console as an error, and uncaught exceptions
    missing: list = field(default_factory=list)  # its own files that are not there


@contextmanager
def visit(browser, base, name, *, scheme="light", width=1280, javascript=True):
    """Open one page and wait until its formulas and widgets stand."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=javascript)
    page = context.new_page()
    seen = Visit(page)
    page.on("request", lambda r: seen.foreign.append(r.url) if not r.url.startswith((base, "data:", "blob:", "about:")) else None)
    page.on("response", lambda r: seen.missing.append(r.url) if r.status >= 400 else None)
    page.on("console", lambda m: seen.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: seen.errors.append(str(e)))
    try:
        page.goto(base + name, wait_until="load")
        if javascript:
            page.evaluate("() => window.MathJax?.startup?.promise")
            if page.locator(VIEW).count():
                page.wait_for_function(f"() => document.querySelectorAll('.sdc-widget').length >= document.querySelectorAll('{VIEW}').length")
            page.wait_for_load_state("networkidle")
        yield seen
    finally:
        context.close()


def violations(page, axe):
    """What axe finds on the page, but for what the allow-list (rule, selector, why) says is the theme's own."""
    found = []
    for violation in axe.run(page, options=AXE).response["violations"]:
        for node in violation["nodes"]:
            (target,) = node["target"]
            if not any(known["rule"] == violation["id"] and matches(page, target, known["selector"]) for known in ALLOWED):
                found.append(f"{violation['id']}: {target}: {node['failureSummary']}")
    return found


def matches(page, target, selector):
    """Whether the element that axe names is one that the selector describes."""
    return page.evaluate("([target, selector]) => document.querySelector(target).matches(selector)", [target, selector])
