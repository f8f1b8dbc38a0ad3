"""Where a number came from: versions, processor and settings of the process that computed it."""

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch
from threadpoolctl import threadpool_info

import sdclib

__all__ = ["command_line", "environment", "now"]


def environment(device="cpu"):
    """Versions, processor and threads of this process, as a dict for JSON (no name of the machine, no path); for another device also what it is."""
    device = torch.device(device)
    name = {"cuda": lambda: torch.cuda.get_device_name(device)}.get(device.type, lambda: device.type)
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "scipy")},
        "blas": _blas(),
        "sdclib": sdclib.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        **({} if device.type == "cpu" else {"device": name()}),
    }


def now():
    """The time in UTC, to the second, as in 2026-01-31T12:00:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def command_line():
    """What was typed to start this process, without the folders of this machine."""
    program, *arguments = (Path(word).name if os.path.isabs(word) else word for word in sys.argv)
    if program == "__main__.py":
        return shlex.join(["python", "-m", Path(sys.argv[0]).parent.name, *arguments])
    return shlex.join([program, *arguments])


@cache
def _blas():
    """The libraries that multiply NumPy's and SciPy's matrices, and the kind of processor that they work as if on."""
    found = {(lib["internal_api"], lib["version"], lib.get("architecture")) for lib in threadpool_info() if lib["user_api"] == "blas"}
    return ", ".join(sorted(" ".join(map(str, filter(None, one))) for one in found)) or "unknown"


@cache
def _processor():
    """The processor's name; platform.processor() is empty on most Linux systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
