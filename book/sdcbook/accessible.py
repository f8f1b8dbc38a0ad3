"""What others' markup lacks for screen readers, as far as it can be mended when a page is written."""

import re

EMPTY_HEADER = re.compile(r"<th(?: [^>]*)?>\s*(?:<p>\s*</p>\s*)?</th>")


def mend(app, pagename, templatename, context, doctree):
    """The empty corner of a table is a cell, not a header that says nothing; a table too wide for the page can be scrolled with the
    keyboard; entries of the bibliography are items of its list (the role that they carry has since been withdrawn from ARIA)."""
    if "body" in context:
        body = EMPTY_HEADER.sub("<td></td>", context["body"])
        body = body.replace('class="pst-scrollable-table-container"', 'class="pst-scrollable-table-container" tabindex="0"')
        context["body"] = body.replace(' role="doc-biblioentry"', ' role="listitem"')


def setup(app):
    app.connect("html-page-context", mend)
