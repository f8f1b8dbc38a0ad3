"""The scripts that pages load, kept in the repository so that pages ask no other host for anything.

``python -m sdcbook.vendor`` fetches the versions named here with npm and writes ``book/vendor`` and its manifest (name,
version, licence, sha256 of each file); a test compares the files with the manifest.
"""

import hashlib
import importlib.metadata
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[1] / "vendor"
MANIFEST = VENDOR / "manifest.json"

# folder -> npm package, version, licence, and {folder or file in the package: where it goes}
PACKAGES = {
    "mathjax": (
        "mathjax", "3.2.2", "Apache-2.0",
        {"es5/tex-mml-chtml.js": "tex-mml-chtml.js", "es5/output/chtml/fonts/woff-v2": "output/chtml/fonts/woff-v2", "LICENSE": "LICENSE"},
    ),
    "html-manager": (
        "@jupyter-widgets/html-manager", "1.0.15", "BSD-3-Clause",
        {"dist/embed.js": "embed.js", "dist/embed.js.LICENSE.txt": "embed.js.LICENSE.txt", "dist/*.woff2": "."},
    ),
    "html-manager/fontawesome": (
        "@fortawesome/fontawesome-free", "5.15.4", "OFL-1.1 AND CC-BY-4.0 AND MIT",
        {"LICENSE.txt": "LICENSE.txt"},  # the licence of the three fonts that html-manager brings
    ),
    "fonts/source-serif": (
        "@fontsource-variable/source-serif-4", "5.3.1", "OFL-1.1",
        {f"files/source-serif-4-{part}-wght-{style}.woff2": f"{part}-{style}.woff2" for part in ("latin", "latin-ext") for style in ("normal", "italic")}
        | {"LICENSE": "LICENSE"},
    ),
    "fonts/source-sans": (
        "@fontsource-variable/source-sans-3", "5.3.0", "OFL-1.1",
        {"files/source-sans-3-latin-wght-normal.woff2": "latin-normal.woff2", "LICENSE": "LICENSE"},
    ),
    "fonts/source-code": (
        "@fontsource-variable/source-code-pro", "5.3.0", "OFL-1.1",
        {"files/source-code-pro-latin-wght-normal.woff2": "latin-normal.woff2", "LICENSE": "LICENSE"},
    ),
}  # fmt: skip


def fetch(package, version, wanted, target):
    """Unpack the wanted parts of one npm package into a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        npm = shutil.which("npm") or sys.exit("npm is needed to fetch the vendored scripts.")
        subprocess.run([npm, "pack", "--silent", f"{package}@{version}"], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(scratch).glob("*.tgz")
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
        for pattern, where in wanted.items():
            found = sorted((Path(scratch) / "package").glob(pattern))
            if not found:
                raise FileNotFoundError(f"{package}@{version} has no {pattern}")
            for path in found:
                place = target / where / path.name if where == "." else target / where
                place.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if path.is_dir() else shutil.copyfile)(path, place)


def hashes(folder, others=()):
    """{file: sha256} of everything in a folder, leaving out the folders of other packages."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not any(path.is_relative_to(other) for other in others)]
    return {path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def update():
    """Fetch everything anew and write the manifest."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    for folder, (package, version, _, wanted) in PACKAGES.items():
        fetch(package, version, wanted, VENDOR / folder)
    # The npm package of html-manager has no licence file; the Python package of the same project has.
    licence = next(path for path in importlib.metadata.files("ipywidgets") if path.name == "LICENSE")
    (VENDOR / "html-manager" / "LICENSE").write_text(licence.read_text(encoding="utf-8"), encoding="utf-8")
    manifest = []
    for folder, (package, version, spdx, _) in PACKAGES.items():
        inside = [VENDOR / other for other in PACKAGES if other.startswith(f"{folder}/")]
        manifest.append({"package": package, "version": version, "licence": spdx, "files": hashes(VENDOR / folder, inside)})
    MANIFEST.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    update()
