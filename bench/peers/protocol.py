"""How a store is driven for the speed benchmark: one process, JSON lines in and out, CPU time taken beside the call.

Standard library and numpy only: it runs in every peer's own environment. An adapter subclasses `Driver` and ends with
`serve(ItsDriver())`. The process is asked:

    {"do": "open", "folder": "/tmp/…"}              -> {"cpu_ms": …, "wall_ms": …}
    {"do": "add_many", "items": [["u0", "text"], …]} -> {"cpu_ms": …, "wall_ms": …}
    {"do": "add", "user": "u0", "text": "…"}        -> {"cpu_ms": …, "wall_ms": …}
    {"do": "search", "user": "u0" or null, "query": "…", "k": 10} -> {"cpu_ms": …, "wall_ms": …, "texts": […]}
    {"do": "about"}                                 -> {"version": …, "rss": bytes, "batch": true, "notes": […]}
    {"do": "close"}                                 -> {"cpu_ms": …, "wall_ms": …}

and answers each with one line; {"error": "…"} where it failed. CPU time is that of the whole process, its threads too.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time
import zlib
from pathlib import Path
from typing import Any, TextIO

import numpy as np

DIMENSIONS = 384
"""Of the vectors: as many as all-MiniLM-L6-v2 has."""
_PARTS = 4096
_table = np.random.default_rng(11).standard_normal((_PARTS, DIMENSIONS)).astype(np.float32)


def vector(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A unit vector that depends on the text alone, float32[384], in microseconds: two rows of a table, added."""
    mark = zlib.crc32(text.encode("utf-8", "surrogatepass"))
    both = _table[mark % _PARTS] + _table[(mark >> 16) % _PARTS]
    return both / np.float32(np.sqrt(both @ both))


class Driver:
    """One store behind the protocol. `package`: what is measured; `batch`: whether many go in with one call."""

    package = ""
    batch = True
    notes: tuple[str, ...] = ()

    def open(self, folder: str) -> None:
        """Opens the store in a folder, made where there is none."""
        raise NotImplementedError

    def add(self, user: str, text: str) -> None:
        """Adds one memory of a user, durable when it returns if the store can do that."""
        raise NotImplementedError

    def add_many(self, items: list[tuple[str, str]]) -> None:
        """Adds many memories by the store's fastest ordinary way."""
        for user, text in items:
            self.add(user, text)

    def search(self, user: str | None, query: str, k: int) -> list[str]:
        """The texts of the k best memories of a user, or of all users."""
        raise NotImplementedError

    def close(self) -> None:
        """Lets go of the store, with everything on disk."""

    def version(self) -> str:
        """What is measured."""
        return importlib.metadata.version(self.package)


def resident() -> int:
    """Bytes of memory this process holds now; 0 where the system does not say."""
    try:
        with Path("/proc/self/statm").open(encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def answer(driver: Driver, asked: dict[str, Any]) -> dict[str, Any]:
    """Does one thing and says what it cost."""
    what = asked["do"]
    if what == "about":
        return {
            "version": driver.version(),
            "rss": resident(),
            "batch": driver.batch,
            "notes": list(driver.notes),
        }
    items = [(user, text) for user, text in asked.get("items", ())]
    cpu, wall = time.process_time(), time.perf_counter()
    texts = None
    if what == "open":
        driver.open(asked["folder"])
    elif what == "add":
        driver.add(asked["user"], asked["text"])
    elif what == "add_many":
        driver.add_many(items)
    elif what == "search":
        texts = driver.search(asked["user"], asked["query"], asked["k"])
    elif what == "close":
        driver.close()
    else:
        return {"error": f"unknown request {what!r}"}
    told = {"cpu_ms": (time.process_time() - cpu) * 1e3, "wall_ms": (time.perf_counter() - wall) * 1e3}
    return told if texts is None else {**told, "texts": texts}


def serve(driver: Driver, lines: TextIO | None = None, out: TextIO | None = None) -> None:
    """Answers requests until there are no more, or `close` came. What a store prints goes to the error stream."""
    out = out or sys.stdout
    if out is sys.stdout:
        sys.stdout = sys.stderr
    for line in lines or sys.stdin:
        asked = json.loads(line)
        try:
            told = answer(driver, asked)
        except Exception as error:  # noqa: BLE001 - whatever a store raises is the answer
            told = {"error": f"{type(error).__name__}: {error}"[:300]}
        out.write(json.dumps(told) + "\n")
        out.flush()
        if asked["do"] == "close":
            return
