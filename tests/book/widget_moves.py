"""Move every control of an interactive figure, as a reader would."""

STEP = 1200  # milliseconds, longer than a step of any of our players


def widgets(page):
    """The outermost widgets of a page."""
    return [box for box in page.locator(".jupyter-widgets").all() if box.evaluate("box => !box.parentElement.closest('.jupyter-widgets')")]


def shown(widget):
    """The pictures that a widget shows now."""
    return widget.locator("img").evaluate_all("images => images.filter(image => image.checkVisibility() && image.naturalWidth > 0).map(image => image.src)")


def controls(widget):
    """(name, move) of every control in a widget: a move that must change the figure."""
    moves = []
    for handle in widget.locator(".noUi-handle").all():
        moves.append((f"slider {handle.get_attribute('aria-label')}", lambda handle=handle: handle.press("ArrowRight")))
    for menu in widget.locator("select").all():
        moves.append(("menu", lambda menu=menu: menu.select_option(index=1)))
    for group in widget.locator(".widget-toggle-buttons").all():
        moves.append(("buttons", lambda group=group: group.locator("button").nth(1).click()))
    for player in widget.locator(".widget-play").all():
        moves.append(("play", lambda player=player: play(player)))
    return moves


def play(player):
    """Start, and stop when at least one step was made."""
    player.locator("button").first.click()
    player.page.wait_for_timeout(STEP)
    player.locator("button").first.click()
