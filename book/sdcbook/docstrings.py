"""The library reference from docstrings that read well as plain text.

They write shapes as ``(n, m, *feature)``, whose star is no markup, and call public names by where a reader imports them
(``sdclib.fit``), not by the module that defines them.
"""

import re

import sdclib

STAR = re.compile(r"(?<![*\w`\\])\*(?=[A-Za-z_])")
EXCEPTION = re.compile(r"\s+[A-Z]\w+(, [A-Z]\w+)*:")
TICKS = re.compile(r"(``[^`]+``|:[\w:]+:`[^`]+`|`[^`]+`_?)")
OTHERS = r"(numpy|np|torch|nn|pandas|pd|matplotlib|ipywidgets|concurrent|collections|pathlib|typing)(\..*)?"


def join_raises(app, what, name, obj, options, lines):
    """An explanation under ``Raises:`` may go on in the next line, indented no further; napoleon would take that for an exception."""
    inside, kept = False, []
    for line in lines:
        if line.strip() == "Raises:":
            inside = True
        elif inside and not line.startswith((" ", "\t")):
            inside = line == ""
        elif inside and kept[-1].strip() != "Raises:" and not EXCEPTION.match(line):
            kept[-1] += " " + line.strip()
            continue
        kept.append(line)
    lines[:] = kept


def join_first_line(app, what, name, obj, options, lines):
    """Napoleon takes what stands before a colon in a property's docstring for its type; here it is a sentence."""
    kind = next((line for line in lines if line.startswith(":type: ")), None)
    if what in ("property", "attribute", "data") and kind:
        lines.remove(kind)
        lines[0] = f"{kind.removeprefix(':type: ')}: {lines[0]}"


def escape_stars(app, what, name, obj, options, lines):
    """A star before a name, outside literal text and examples, is a star."""
    for i, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...")):
            continue
        parts = TICKS.split(line)
        parts[::2] = [STAR.sub(r"\\*", part) for part in parts[::2]]
        lines[i] = "".join(parts)


def find_public_name(app, env, node, contnode):
    """Resolve ``sdclib.fit`` to the function in the module that defines it."""
    target = node.get("reftarget", "").removeprefix("sdclib.")
    home = sdclib._HOME.get(target)
    if node.get("refdomain") != "py" or home is None:
        return None
    python = env.get_domain("py")
    return python.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], f"sdclib.{home}.{target}", node, contnode)


def settings(app, config):
    """Docstrings are in Google's form; a literal is what single backquotes hold."""
    config.default_role = "literal"
    config.autodoc_member_order = "bysource"
    config.autodoc_typehints = "none"
    config.napoleon_numpy_docstring = False
    config.napoleon_use_rtype = False
    config.add_module_names = False
    config.html_domain_indices = ["prf-prf"]  # Python's index of modules folds packages by images without a text; the general index has the modules
    config.nitpick_ignore_regex = [*config.nitpick_ignore_regex, ("py:.*", OTHERS)]


def setup(app):
    app.connect("config-inited", settings)
    app.connect("autodoc-process-docstring", join_raises, priority=100)  # before napoleon
    app.connect("autodoc-process-docstring", join_first_line, priority=800)  # after napoleon
    app.connect("autodoc-process-docstring", escape_stars, priority=900)
    app.connect("missing-reference", find_public_name)
