"""Lets the frames' tests use the made-up sessions of the transcripts' tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "transcripts"))
