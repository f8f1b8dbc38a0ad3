"""The book's own machinery. As a Sphinx extension (``setup``) it is what ``_config.yml`` cannot say.

``accessible`` mends for screen readers · ``assets`` static files and scripts ·
``buttons`` one setting for all repository buttons · ``chapter_header`` its card · ``description`` one on every page · ``docstrings`` the library reference ·
``front_page`` at the site's address · ``reproducibility`` the appendix made from the stored notebooks.
"""

from importlib import import_module

PARTS = ("accessible", "assets", "buttons", "chapter_header", "description", "docstrings", "front_page", "reproducibility")


def setup(app):
    """Called by Sphinx: every part connects itself."""
    for part in PARTS:
        import_module(f"sdcbook.{part}").setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
