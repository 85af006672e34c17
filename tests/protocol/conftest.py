"""Puts what the tests of several rooms share (tests/support) on the import path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
