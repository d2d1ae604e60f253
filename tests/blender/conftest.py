"""Lets the tests of this folder import `tiny_stage`: pytest adds no folder to the path itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
