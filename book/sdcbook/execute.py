"""Execute the chapters whose stored outputs are stale: python -m sdcbook.execute [CHAPTER ...]

Every chapter runs in a fresh kernel on one core. Its outputs, widgets, header and stamp are
written together, and only when every cell has run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager

from sdcbook import chapters, header, kernel, normalise, stamp

TIMEOUT = 600  # seconds for one cell: a chapter may take 60 in all, so this one hangs


def main(arguments: list[str] | None = None, root: Path = kernel.ROOT) -> int:
    parser = argparse.ArgumentParser(prog="sdcbook.execute", description=__doc__.split(":")[0])
    parser.add_argument("names", nargs="*", help='chapters by number ("04") or file; all if none')
    parser.add_argument("--force", action="store_true", help="also those that are not stale")
    options = parser.parse_args(arguments)
    folder = root / "chapters"
    try:
        paths = chapters.find(folder, options.names)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    known = chapters.titles(folder)
    failed = [path for path in paths if not refresh(path, root, known, options.force)]
    return 1 if failed else 0


def refresh(path: Path, root: Path, known: dict, force: bool = False) -> bool:
    """Bring one stored chapter up to date; False, and the file untouched, when that failed."""
    nb = chapters.read(path)
    missing = [field for field in chapters.FIELDS if field not in nb.metadata.get("sdc", {})]
    if missing:
        print(f"{path.name}: metadata sdc lacks {', '.join(missing)}", file=sys.stderr)
        return False
    reasons = ["forced"] if force else stamp.why_stale(nb, root)
    try:
        header.write_header(nb, known)
        if reasons:
            print(f"{path.name}: executing ({'; '.join(reasons)}) ...", flush=True)
            cost = execute(nb, path.parent, root)
            print(f"{path.name}: {_say(cost, nb.metadata.sdc)}")
        else:
            normalise.normalise(nb)
    except ValueError as error:
        print(f"{path.name}: {error}", file=sys.stderr)
        return False
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        print(f"{path.name}: a cell failed; nothing was stored\n{error}", file=sys.stderr)
        return False
    changed = chapters.write(nb, path)
    if reasons or changed:
        print(f"{path.name}: {'written' if changed else 'the same as before'}")
    return True


def execute(nb, folder: Path, root: Path) -> dict:
    """Run the cells in a fresh kernel, normalise, stamp; returns what the run cost."""
    nb.metadata.pop("widgets", None)
    manager = AsyncKernelManager(kernel_name=CURRENT_ENV_KERNEL_NAME, kernel_spec_manager=NbvalKernelspecManager())
    client = NotebookClient(
        nb,
        km=manager,
        timeout=TIMEOUT,
        store_widget_state=True,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    # kernel.changed_environment, and not start_kernel's env: the kernel is then started the same
    # way as in the tests. A stored number must not be compared while it is being replaced.
    without = ("SDC_STORED_MEASURED", "SDC_STRICT_EXERCISES")
    with kernel.changed_environment(kernel.environment(root), without), client.setup_kernel():
        _hidden(client, kernel.setup_code(root))
        begun, count = time.perf_counter(), 0
        for index, cell in enumerate(nb.cells):
            if cell.cell_type == "code":
                count += 1
                cell.outputs, cell.execution_count = [], None
                client.execute_cell(cell, index, execution_count=count)
        wall = time.perf_counter() - begun
        cost = json.loads(_hidden(client, kernel.REPORT)) | {"wall": wall}
        client.set_widgets_metadata()
    normalise.normalise(nb)
    real = root.resolve()
    results = [Path(p).relative_to(real).as_posix() for p in cost["results"]]
    nb.metadata["sdc"]["stamp"] = stamp.make(nb, root, cost["modules"], results)
    return cost


def _hidden(client: NotebookClient, code: str) -> str:
    """Run code that is no cell of the notebook and leaves no trace in its numbering."""
    cell = new_code_cell(code)
    client.nb.cells.append(cell)
    try:
        client.execute_cell(cell, len(client.nb.cells) - 1, store_history=False)
    finally:
        client.nb.cells.remove(cell)
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


def _say(cost: dict, sdc: dict) -> str:
    lines = f"{cost['seconds']:.1f} s of one core ({cost['wall']:.1f} s by the clock), peak {cost['memory_mb']:.0f} MB"
    for key, unit in (("seconds", "s"), ("memory_mb", "MB")):
        if cost[key] > sdc[key]:
            lines += f"\n  WARNING: over the stated ceiling of {sdc[key]} {unit} ({key})"
    return lines


if __name__ == "__main__":
    sys.exit(main())
