"""The kernel that chapters run in: the same for the executor and for the tests.

One thread, so that a stored number does not depend on how many cores a machine has, and so that
what a chapter costs is what it costs on one core. (The kernel is not tied to a core: two that are
tied to the same one would wait for each other while another core idles.)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MATPLOTLIBRC = Path(__file__).with_name("matplotlibrc")
HARD = {"seconds": 60, "memory_mb": 1000}  # what any chapter may take on one core, whatever it states
THREADS = "SDC_THREADS"  # how many threads a kernel gets: check-processors sets it
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# Run before the first cell: a hook that notes which stored results a chapter opens.
SETUP = """
def _sdc_setup(results):
    import os, sys
    opened = set()
    def note(event, arguments):
        if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
            path = os.path.realpath(arguments[0])
            if path.startswith(results + os.sep) and os.path.isfile(path):
                opened.add(path)
    sys.addaudithook(note)
    return opened
_sdc_opened = _sdc_setup({results!r})
del _sdc_setup
"""

# What the run cost and what it reached, as one line of JSON. Of sdclib the modules count, not the
# package itself, which only says in which module a name lives: a new name makes no chapter stale. Seconds are of processor time,
# of all threads and children: on one core that is the running time, and it does not grow when the machine has other work. The
# peak is VmHWM, that of this process alone; where there is no /proc, what the system reports.
REPORT = """
def _sdc_report(opened):
    import json, os, sys
    times = os.times()
    try:
        with open("/proc/self/status", encoding="utf-8") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except FileNotFoundError:
        import psutil
        info = psutil.Process().memory_info()
        peak = getattr(info, "peak_wset", info.rss) / 2**20
    print(json.dumps({
        "seconds": times.user + times.system + times.children_user + times.children_system,
        "memory_mb": peak,
        "modules": sorted(
            name for name, module in sys.modules.items()
            if name.startswith("sdclib.") and getattr(module, "__file__", None)
        ),
        "results": sorted(opened),
    }))
_sdc_report(_sdc_opened)
"""


def environment(root: Path = ROOT, **extra: str) -> dict[str, str]:
    """The variables a kernel starts with, over those of this process."""
    threads = os.environ.get(THREADS, "1")
    env = dict.fromkeys(_THREAD_VARIABLES, threads)
    env |= {
        "MATPLOTLIBRC": str(MATPLOTLIBRC),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(root), str(ROOT / "book"), os.environ.get("PYTHONPATH", "")])),
        "SOURCE_DATE_EPOCH": "0",  # the date that matplotlib writes in an SVG
        "TQDM_DISABLE": "1",  # a progress bar's times differ at every run
    }
    return env | extra


def setup_code(root: Path = ROOT) -> str:
    """The code that a kernel runs first."""
    return SETUP.format(results=os.path.realpath(root / "results"))


class changed_environment:
    """Within this context the process has these variables: a kernel started there inherits them."""

    def __init__(self, variables: Mapping[str, str], without: tuple[str, ...] = ()):
        self._new, self._without = dict(variables), without

    def __enter__(self):
        self._old = {name: os.environ.get(name) for name in (*self._new, *self._without)}
        for name in self._without:
            os.environ.pop(name, None)
        os.environ.update(self._new)

    def __exit__(self, *error):
        for name, value in self._old.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
