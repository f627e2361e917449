"""Lets the tests of live objects use the made-up sessions of the frames' tests."""

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / name) for name in ("frames", "transcripts")]
