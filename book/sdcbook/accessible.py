"""What others' markup lacks for screen readers, as far as it can be mended when a page is written."""

import re

from docutils import nodes

EMPTY_HEADER = re.compile(r"<th(?: [^>]*)?>\s*</th>")


def mend_tables(app, doctree):
    """The empty corner of a pandas table is a cell, not a header that says nothing."""
    for raw in doctree.findall(nodes.raw):
        if raw.get("format") == "html" and 'class="dataframe' in raw.astext():
            raw.children[:] = [nodes.Text(EMPTY_HEADER.sub("<td></td>", raw.astext()))]


def drop_deprecated_role(app, pagename, templatename, context, doctree):
    """The bibliography's entries carry a role that ARIA has since withdrawn."""
    if "body" in context:
        context["body"] = context["body"].replace(' role="doc-biblioentry"', "")


def setup(app):
    app.connect("doctree-read", mend_tables)
    app.connect("html-page-context", drop_deprecated_role)
