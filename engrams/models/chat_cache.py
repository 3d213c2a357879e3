"""Answers that were paid for once: remembered in this process, or in a folder that other processes see, too."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

from engrams.errors import BadSetting
from engrams.ports import Answer, ToolCall

CAPACITY = 1_000
"""Answers remembered in a process: some megabytes."""

FOLDER_CAPACITY = 100_000
"""Answers kept in a folder: about 100 MB; the oldest tenth goes when there are more."""

LOOK_EVERY = 1_000
"""Answers put until the folder is counted again."""


class Answers(Protocol):
    """Where answers are remembered by the key of their question."""

    def get(self, key: str) -> Answer | None: ...

    def put(self, key: str, answer: Answer) -> None: ...


class InProcess:
    """The last `capacity` answers (1 or more), gone with the process. Safe from several threads."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._held: OrderedDict[str, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Answer | None:
        """The answer to that question; None where it is not remembered."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: str, answer: Answer) -> None:
        """Remembers an answer, and forgets the one that was not asked for longest."""
        with self._lock:
            self._held[key] = answer
            self._held.move_to_end(key)
            while len(self._held) > self._capacity:
                self._held.popitem(last=False)


class InFolder:
    """Answers as small files, one each, shared by every process that names the folder.

    They hold what a model said of stored text, and an erase in a memory does not reach them: a folder is for experiments
    and benchmarks, not for people's memories.
    """

    def __init__(self, folder: str | Path, capacity: int = FOLDER_CAPACITY) -> None:
        """Raises `BadSetting` where the folder cannot be made."""
        self._folder = Path(folder)
        self._capacity = capacity
        self._put = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as cause:
            raise BadSetting(
                "model_cache", str(folder), f"a folder that can be made; {cause.strerror}"
            ) from cause

    def get(self, key: str) -> Answer | None:
        """The answer to that question; None where it is not there, or the file is damaged."""
        try:
            held = json.loads(self._place(key).read_text("utf-8"))
            calls = tuple(ToolCall(*call) for call in held["calls"])
            return Answer(held["text"], held["value"], calls, held["model"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, answer: Answer) -> None:
        """Writes an answer, whole or not at all."""
        calls = [[call.id, call.name, dict(call.arguments)] for call in answer.calls]
        held = {"text": answer.text, "value": answer.value, "calls": calls, "model": answer.model}
        place = self._place(key)
        place.parent.mkdir(exist_ok=True)
        half = place.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        half.write_text(json.dumps(held), "utf-8")
        half.replace(place)
        self._put += 1
        if self._put % LOOK_EVERY == 0:
            self._shrink()

    def _place(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"

    def _shrink(self) -> None:
        files = list(self._folder.glob("*/*.json"))
        if len(files) > self._capacity:
            files.sort(key=lambda file: file.stat().st_mtime)
            for file in files[: len(files) - self._capacity + self._capacity // 10]:
                file.unlink(missing_ok=True)


def answers_of(setting: str) -> Answers | None:
    """What a setting means: "process" (the default), "off", or a folder."""
    if setting == "off":
        return None
    return InProcess() if setting == "process" else InFolder(setting)
