"""all-MiniLM-L6-v2 as an int8 ONNX graph; `DATA` is the folder that holds it."""

from __future__ import annotations

from pathlib import Path

__version__ = "1.0.0"

DATA = Path(__file__).parent / "data"
"""Holds `minilm.onnx`, `vocab.txt` and `model.json`."""
