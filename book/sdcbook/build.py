"""Build the pages with warnings as errors: ``python -m sdcbook.build [--force]``.

Sphinx's incremental builds do not repeat the warnings of the pages that they skip. So every build makes every page, and
a build that succeeded leaves a digest of its sources: while that agrees there is nothing to do.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "_build" / "html"
STAMP = ROOT / "_build" / ".built"
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"  # its package cannot be run with -m
SOURCES = (
    "*.md", "*.bib", "_*.yml", "requirements.txt", "appendices/**/*", "chapters/*.ipynb", "sdclib/**/*",
    "book/sdcbook/**/*.py", "book/assets/**/*", "book/vendor/**/*",
)  # fmt: skip


def digest():
    """One hash of every file that the pages are made from."""
    files = sorted({path for pattern in SOURCES for path in ROOT.glob(pattern) if path.is_file() and path.suffix != ".pyc"})
    whole = hashlib.sha256()
    for path in files:
        whole.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def is_current():
    """Whether the pages that stand were made, without a warning, from the sources that stand."""
    return STAMP.is_file() and STAMP.read_text(encoding="utf-8") == digest() and (PAGES / "index.html").is_file()


def main(arguments):
    """Run jupyter-book; 0 if every page was made without a warning."""
    if "--force" in arguments or not is_current():
        before = digest()
        STAMP.unlink(missing_ok=True)
        shutil.rmtree(PAGES, ignore_errors=True)  # else the page of a chapter that is gone stays
        command = [sys.executable, "-c", JUPYTER_BOOK, "build", str(ROOT), "--all", "-W", "-n", "--keep-going", "--quiet"]
        failed = subprocess.run(command, cwd=ROOT, check=False).returncode
        if failed or not (PAGES / "index.html").is_file():
            print("The book was not built: see the warnings above.", file=sys.stderr)
            return failed or 1
        STAMP.write_text(before, encoding="utf-8")
    print(f"The pages are built. Open {(PAGES / 'index.html').as_uri()} or run `make serve`.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
