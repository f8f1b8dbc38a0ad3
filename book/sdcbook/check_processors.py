"""Do the stored chapters hold on other processors? python -m sdcbook.check_processors [CHAPTER ...]

Every chapter is executed with other vector instructions and another number of threads, which is
what differs from one machine to the next: nbval compares strictly, `measured` within tolerances.
"""

from __future__ import annotations

import os
import subprocess
import sys

from sdcbook import chapters, kernel

CAPABILITIES = ("default", "avx2")
THREADS = ("1", "2")


def main(names: list[str]) -> int:
    try:
        paths = chapters.find(kernel.ROOT / "chapters", names)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not paths:
        print("there are no chapters", file=sys.stderr)
        return 2
    failed = []
    for capability in CAPABILITIES:
        for threads in THREADS:
            setting = f"ATEN_CPU_CAPABILITY={capability} with {threads} thread(s)"
            print(f"== {setting}", flush=True)
            environment = os.environ | {"ATEN_CPU_CAPABILITY": capability, kernel.THREADS: threads}
            # as many chapters at once as two cores take
            at_once = "2" if threads == "1" else "1"
            command = [sys.executable, "-m", "pytest", "--nbval", "-n", at_once, "--dist", "loadscope", "-q"]
            command += ["-k", "Cell"]  # the budget is stated for the processor at hand
            done = subprocess.run([*command, *map(str, paths)], cwd=kernel.ROOT, env=environment)
            if done.returncode:
                failed.append(setting)
    print("\n".join(f"FAILED: {setting}" for setting in failed) or "every chapter holds on each of these")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
