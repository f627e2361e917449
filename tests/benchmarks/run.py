"""Run every benchmark of this folder in turn, each in a process of its own.

Usage: python tests/benchmarks/run.py [--quick]
"""

import subprocess
import sys
from pathlib import Path


def main(options):
    """Run them all; the exit code is 1 if one missed its gate or did not run."""
    failed = []
    for script in sorted(Path(__file__).parent.glob("bench_*.py")):
        print(f"\n== {script.stem.removeprefix('bench_')} ==", flush=True)
        if subprocess.run([sys.executable, script, *options], check=False).returncode:
            failed.append(script.stem)
    if failed:
        print(f"\nmissed a gate or did not run: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
