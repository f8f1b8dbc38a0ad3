"""The card under a chapter's title.

The notebook executor writes it as plain Markdown, so that it reads well in Jupyter; here the page gets it as one box.
"""

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)

LAST_LINE = "Read before:"  # how the header's last paragraph begins


def box_header(app, doctree):
    """Wrap what stands between a chapter's title and the end of its header."""
    if not app.env.docname.startswith("chapters/"):
        return
    section = next(iter(doctree.findall(nodes.section)), None)
    following = section.children[1:] if section else []
    last = next((i for i, node in enumerate(following) if node.astext().startswith(LAST_LINE)), None)
    if last is None:
        logger.warning("the chapter has no header (`make notebooks` writes it)", location=app.env.docname)
        return
    header = nodes.container("", *following[: last + 1], classes=["sdc-header"])
    section.children[1 : last + 2] = []
    section.insert(1, header)


def setup(app):
    app.connect("doctree-read", box_header)
