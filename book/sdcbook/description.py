"""A description on every page, for search results and shared links.

A chapter's stands in its notebook's metadata (``sdc.description``), a page's in its front matter (``description``).
A page without one is a warning, and so fails the build.
"""

import json
from html import escape

from sphinx.util import logging

logger = logging.getLogger(__name__)

# Pages that Sphinx makes by itself.
GENERATED = {
    "genindex": "Index of the functions, classes and terms in this book.",
    "prf-prf": "Index of the definitions, propositions and algorithms in this book.",
    "search": "Search the chapters of this book and the reference of its library.",
}


def describe(metadata):
    """The description in a page's metadata; None if there is none."""
    chapter = metadata.get("sdc", {})
    chapter = json.loads(chapter) if isinstance(chapter, str) else chapter
    return metadata.get("description") or chapter.get("description")


def add_description(app, pagename, templatename, context, doctree):
    """Put the meta tag into the page's head."""
    text = GENERATED.get(pagename) or describe(app.env.metadata.get(pagename, {}))
    if pagename.startswith("_modules/"):
        text = f"Source code of {pagename.removeprefix('_modules/').replace('/', '.')}."
    if not text:
        logger.warning("page %s has no description", pagename, location=pagename)
        return
    context["metatags"] = context.get("metatags", "") + f'<meta name="description" content="{escape(text)}">\n'


def setup(app):
    app.connect("html-page-context", add_description)
