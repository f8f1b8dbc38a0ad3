"""One setting for all repository buttons: ``repository.url`` in ``_config.yml``.

While it is empty no page shows a Binder, repository, edit or issue button, since it would lead nowhere.
"""

BUTTONS = ("use_repository_button", "use_edit_page_button", "use_issues_button")


def switch(app, config):
    """Switch the theme's repository buttons on or off, all together."""
    options = config.html_theme_options
    published = bool(options.get("repository_url", "").strip())
    options.update(dict.fromkeys(BUTTONS, published))
    if not published:
        options.pop("launch_buttons", None)
        options.pop("repository_url", None)


def setup(app):
    app.connect("config-inited", switch)
