"""Puts this folder's helpers in reach of its tests (there is no package here to import them from)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
