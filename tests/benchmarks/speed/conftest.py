"""The bench is a folder of scripts: its modules are imported from there, as the scripts do."""

import sys
from pathlib import Path

SPEED = Path(__file__).parents[3] / "benchmarks/speed"
sys.path.insert(0, str(SPEED))
