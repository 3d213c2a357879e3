"""The spool: what hooks wrote down and no memory has taken in yet. One file per capture, whole or not there at all.

It lies beside the memory it is for (`memory.db.spool/`), so that whoever opens that memory finds it. Each line is a digest
and a record in JSON. Nothing but the standard library is loaded here: an agent waits for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]

SUFFIX = ".jsonl"
DAMAGED, REFUSED, SESSIONS, LOG = "damaged", "refused", "sessions", "hooks.log"
_DIGEST = 16  # hexadecimal digits of SHA-256 before each record: enough to see that a line was cut or changed
_LARGEST_LOG = 1_000_000  # bytes; then the log begins anew and the old one is kept once


class Damaged(ValueError):
    """A line of a spool file is not what was written."""


def spool_of(place: str) -> Path | None:
    """The folder of the spool of a memory (path or URL); None for one that dies with its process."""
    if place == ":memory:":
        return None
    if "://" in place:
        from engrams.settings import default_path

        return default_path().parent / f"spool-{hashlib.sha256(place.encode()).hexdigest()[:16]}"
    path = Path(place).expanduser().absolute()
    return path.with_name(path.name + ".spool")


def append(folder: Path, records: Sequence[Record]) -> Path | None:
    """Writes records to a file of their own, on disk when it returns; None where there are none."""
    if not records:
        return None
    text = "".join(map(_line, records)).encode("utf-8", "replace")
    _private(folder)
    name = f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(3).hex()}"
    return write_whole(folder / (name + SUFFIX), text)


def write_whole(path: Path, data: bytes, *, lasting: bool = True) -> Path:
    """Writes a file that others see whole or not at all, which nobody else may read; on disk when it returns, if `lasting`."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    if lasting:
        _sync_folder(path.parent)
    return path


def waiting(folder: Path) -> list[Path]:
    """The spool files, oldest first; none where there is no spool."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.name.endswith(SUFFIX) and not e.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in names]


def read(path: Path) -> list[Record]:
    """The records of a spool file.

    Raises:
        Damaged: a line does not fit its digest.
        FileNotFoundError: somebody else took it in.
    """
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        digest, _, body = line.partition(b" ")
        if hashlib.sha256(body).hexdigest()[:_DIGEST] != digest.decode("ascii", "replace"):
            raise Damaged(f"{path.name}, line {number}: not as it was written")
        found.append(json.loads(body))
    return found


def set_aside(path: Path, room: str) -> None:
    """Moves a spool file where nobody takes it in, and nothing of it is lost."""
    _private(path.parent / room)
    with contextlib.suppress(FileNotFoundError):
        path.replace(path.parent / room / path.name)


def log(folder: Path, what: str) -> None:
    """A line in the log of the hooks; nothing where even that cannot be written."""
    with contextlib.suppress(OSError):
        _private(folder)
        path = folder / LOG
        if path.exists() and path.stat().st_size > _LARGEST_LOG:
            path.replace(path.with_name(LOG + ".old"))
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{stamp} {' '.join(what.split())}\n")


# --- what is known of a session


def load_session(folder: Path, client: str, session: str) -> dict[str, Any]:
    """What captures of a session before have kept for the next; empty at first, or where it was damaged."""
    try:
        found = json.loads(_session_path(folder, client, session).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def save_session(folder: Path, client: str, session: str, state: Mapping[str, Any]) -> None:
    """Keeps a session's state. Lost, it is made anew from the whole transcript, whose records have the same keys."""
    _private(folder / SESSIONS)
    write_whole(_session_path(folder, client, session), json.dumps(state).encode(), lasting=False)


def _session_path(folder: Path, client: str, session: str) -> Path:
    named = hashlib.sha256(f"{client}\0{session}".encode("utf-8", "replace")).hexdigest()[:32]
    return folder / SESSIONS / f"{named}.json"


def _line(record: Record) -> str:
    body = json.dumps(record, ensure_ascii=True, separators=(",", ":"))
    return f"{hashlib.sha256(body.encode()).hexdigest()[:_DIGEST]} {body}\n"


def _private(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    """Makes the name of a new file last, where folders can be synced (not on Windows)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
