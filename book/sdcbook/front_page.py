"""The site's own address shows the front page itself, in place of an empty page that sends the browser on to it."""

import shutil
from pathlib import Path


def copy_front_page(app, exception):
    if exception is None and app.builder.format == "html":
        folder = Path(app.outdir)
        front = folder / f"{app.config.root_doc}.html"
        if front.name != "index.html":
            shutil.copyfile(front, folder / "index.html")


def setup(app):
    app.connect("build-finished", copy_front_page, priority=900)  # after the extension that would write the empty page
