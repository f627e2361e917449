"""Install older kernels, each in a folder of its own, for the tests.

A kernel that is started with such a folder on its path runs these versions, and the environment's
for everything else.

Usage: python tests/tools/older_kernels.py         install what is missing, print the folders
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from side_packages import ROOT, install

if TYPE_CHECKING:
    from pathlib import Path

IPYTHON_NEEDS = ("backcall==0.2.0", "decorator==5.1.1", "pickleshare==0.7.5")
KERNELS = {
    "ipykernel-6": ("ipykernel==6.29.5", "ipython==8.12.3", *IPYTHON_NEEDS),
    "colab": (
        "ipykernel==6.17.1",
        "ipython==7.34.0",
        "ipython-genutils==0.2.0",
        "ipywidgets==7.7.1",
        "jupyterlab-widgets==1.1.11",
        "widgetsnbextension==3.6.10",
        *IPYTHON_NEEDS,
    ),
}
"""The packages by the kernel's name; those of `colab` are what Colab has pinned."""


def folder(kernel: str) -> Path:
    """Return the folder of a kernel, which is installed if it is not there."""
    return install(ROOT / ".venv-kernels" / kernel, KERNELS[kernel])


def main() -> int:
    """Install all kernels."""
    for kernel in KERNELS:
        print(folder(kernel).relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
