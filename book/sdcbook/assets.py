"""Static files: our CSS and scripts, and the vendored ones in place of two content delivery networks."""

from pathlib import Path

BOOK = Path(__file__).resolve().parents[1]

MATHJAX = {
    "tex": {"macros": {"R": r"\mathbb{R}", "E": r"\mathbb{E}", "argmax": r"\operatorname*{arg\,max}"}},
    "options": {"processHtmlClass": "tex2jax_process|mathjax_process|math|output_area"},
}


def point_to_vendored(app, config):
    """No folder may be called ``_static``: Jupyter Book would load every script found in it on every page."""
    config.html_static_path = [*config.html_static_path, str(BOOK / "assets"), str(BOOK / "vendor")]
    config.mathjax_path = "mathjax/tex-mml-chtml.js"
    config.mathjax3_config = MATHJAX
    config.nb_ipywidgets_js = {"html-manager/embed.js": {"defer": "defer"}}
    config.html_context.setdefault("default_mode", "auto")  # its absence is an error in every page's console
    config.html_theme_options.setdefault("logo", {})["text"] = config.html_title  # else the logo would stand in its place
    app.add_css_file("sdc.css", priority=900)
    app.add_js_file("sdc.js", priority=50)  # before the icon script and the widget script, which it prepares


def show_first_frames(app, pagename, templatename, context, doctree):
    """Without JavaScript an interactive figure is its first frame (in print the style sheet sees to it)."""
    if doctree is not None:
        context["metatags"] = context.get("metatags", "") + "<noscript><style>.sdc-first-frame{display:block!important}</style></noscript>\n"


def drop_thebe(app):
    """Live code through sphinx-thebe is not used, and its script declares one constant twice on every page."""
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if not one.handler.__module__.startswith("sphinx_thebe")]


def setup(app):
    app.connect("config-inited", point_to_vendored, priority=900)
    app.connect("builder-inited", drop_thebe, priority=1)
    app.connect("html-page-context", show_first_frames)
