"""Brings the world in: messages in the OpenAI form, chat exports, transcripts, notes; splits what is over-long.

`messages.normalise` reads what a caller hands over, `read` reads files and tells them apart by content, `segment`
splits. Importing the room loads none of the file formats: those come with the first `read` or `detect`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engrams.ingest.messages import normalise
    from engrams.ingest.reading import FORMATS, Format, detect, read
    from engrams.ingest.segment import SplitPassages, split_passages

__all__ = ["FORMATS", "Format", "SplitPassages", "detect", "normalise", "read", "split_passages"]

_HOMES = {
    "FORMATS": "reading",
    "Format": "reading",
    "SplitPassages": "segment",
    "detect": "reading",
    "normalise": "messages",
    "read": "reading",
    "split_passages": "segment",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'engrams.ingest' has no attribute {name!r}")
    value: object = getattr(import_module(f"engrams.ingest.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
