"""Changes to the configuration files of other programs: shown first, written whole or not at all, and undone.

What stands in such a file is not ours: everything but our own entry stays as it was, and a file that cannot be read without
losing something (comments in JSON, a key that stands twice) is left alone, with the lines to paste.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engrams.errors import Busy, Unavailable, UsageError

Json = dict[str, Any]


@dataclass(frozen=True)
class Machine:
    """Where programs keep their configuration: the system (as `sys.platform` names it), the home folder, the environment."""

    system: str = sys.platform
    home: Path = field(default_factory=Path.home)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def app_data(self, *parts: str) -> Path:
        """A folder among those in which programs with a window keep their configuration."""
        if self.system == "win32":
            roaming = self.environ.get("APPDATA")
            return (Path(roaming) if roaming else self.home / "AppData" / "Roaming").joinpath(*parts)
        if self.system == "darwin":
            return (self.home / "Library" / "Application Support").joinpath(*parts)
        configured = self.environ.get("XDG_CONFIG_HOME")
        return (Path(configured) if configured else self.home / ".config").joinpath(*parts)

    def own(self, variable: str, otherwise: str) -> Path:
        """The folder that an environment variable names, else one in the home folder."""
        named = self.environ.get(variable)
        return Path(named) if named else self.home / otherwise


@dataclass(frozen=True)
class Change:
    """What a file says now and what it would say; None: it is not there."""

    path: Path
    before: str | None
    after: str | None

    @property
    def is_none(self) -> bool:
        return self.before == self.after

    def diff(self) -> str:
        """The change as a unified diff."""
        old, new = ((text or "").splitlines() for text in (self.before, self.after))
        name = str(self.path)
        here, there = (name if t is not None else "nothing" for t in (self.before, self.after))
        return "\n".join(difflib.unified_diff(old, new, here, there, lineterm=""))

    def apply(self) -> Path | None:
        """Writes it, with a copy of what stood there beside it; the path of the copy, None where nothing stood there.

        Raises:
            Busy: the file was changed since it was read.
            Unavailable: it cannot be written.
        """
        path = self.path.resolve()  # a link to a file elsewhere stays a link
        try:
            if read_text(path) != self.before:
                raise Busy(f"{path} was changed in the meantime; run it again")
            path.parent.mkdir(parents=True, exist_ok=True)
            copy = None
            if self.before is not None:
                copy = _free(path.with_name(f"{path.name}.before-engrams-{time.strftime('%Y%m%d-%H%M%S')}"))
                shutil.copy2(path, copy)
            if self.after is None:
                path.unlink()
            else:
                _replace(path, self.after.encode("utf-8"))
        except OSError as cause:
            raise Unavailable(f"{path} cannot be written: {cause.strerror or cause}") from cause
        return copy


def read_text(path: Path) -> str | None:
    """The text of a file; None where it is not there.

    Raises:
        Unavailable: it cannot be read, or is no text.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as cause:
        raise Unavailable(f"{path} cannot be read: {cause}") from cause


# --- JSON


def json_change(path: Path, edit: Callable[[Json], Json], snippet: str) -> Change:
    """The change that `edit` makes to a JSON file, in the file's own indentation. `snippet`: what to paste by hand.

    Raises:
        UsageError: it holds comments, a key twice, or is no JSON object.
    """
    before = read_text(path)
    text = (before or "").removeprefix("\ufeff")
    by_hand = f"change it by hand:\n{snippet}"
    try:
        held = json.loads(text, object_pairs_hook=_once) if text.strip() else {}
    except ValueError as cause:
        why = "has comments or is no JSON" if "//" in text or "/*" in text else "is no JSON"
        raise UsageError(f"{path} {why} ({cause}), and is left as it is; {by_hand}") from cause
    if not isinstance(held, dict):
        raise UsageError(f"{path} holds no JSON object, and is left as it is; {by_hand}")
    done = edit(json.loads(json.dumps(held)))
    if done == held:
        return Change(path, before, before)
    if not done:
        return Change(path, before, None)
    found = re.search(r'^([ \t]+)"', text, re.MULTILINE)
    indent = found[1] if found else "  "
    new = json.dumps(done, indent=indent, ensure_ascii=False) + (
        "\n" if not text or text.endswith("\n") else ""
    )
    if "\r\n" in text:
        new = new.replace("\n", "\r\n")
    return Change(path, before, ("\ufeff" if before and before.startswith("\ufeff") else "") + new)


def _once(pairs: list[tuple[str, Any]]) -> Json:
    held: Json = {}
    for key, value in pairs:
        if key in held:
            raise ValueError(f"the key {key!r} stands twice")
        held[key] = value
    return held


# --- TOML


def toml_change(path: Path, table: tuple[str, str], value: Mapping[str, Any] | None, snippet: str) -> Change:
    """The change that puts a table of strings and lists of strings into a TOML file, or takes it out (None).

    Comments and everything else keep their places: only the lines of the table come and go.

    Raises:
        UsageError: the file is no TOML, or has the table in a form that cannot be changed line by line.
    """
    before = read_text(path)
    by_hand = f"change it by hand:\n{snippet}"
    try:
        held = tomllib.loads(before or "")
    except tomllib.TOMLDecodeError as cause:
        raise UsageError(f"{path} is no TOML ({cause}), and is left as it is; {by_hand}") from cause
    section, name = table
    wanted = {k: dict(v) if isinstance(v, dict) else v for k, v in held.items()}
    inside = wanted.get(section)
    if value is None and not (isinstance(inside, dict) and name in inside):
        return Change(path, before, before)
    rest = without_table(before or "", section, name)
    if value is not None:
        rest = rest.rstrip("\n") + "\n\n" if rest.strip() else ""
        rest += toml_table(table, value)
        wanted.setdefault(section, {})[name] = dict(value)
    else:
        del wanted[section][name]
        if not wanted[section]:
            del wanted[section]
    try:
        fine = _without_empty(tomllib.loads(rest), section) == wanted
    except tomllib.TOMLDecodeError:
        fine = False
    if not fine:
        raise UsageError(
            f"{path} has [{section}] in a form that cannot be changed line by line, and is left as it is; {by_hand}"
        )
    return Change(path, before, rest if rest.strip() else None)


def toml_table(table: tuple[str, str], value: Mapping[str, Any]) -> str:
    """A table in TOML. Strings of JSON are strings of TOML, too."""
    rows = [f"{key} = {json.dumps(given, ensure_ascii=False)}" for key, given in value.items()]
    return "\n".join([f"[{table[0]}.{table[1]}]", *rows, ""])


def without_table(text: str, section: str, name: str) -> str:
    """The text without the lines of a table and of the tables below it; comments before the next table stay."""
    quoted = rf"(?:{re.escape(name)}|\"{re.escape(name)}\"|'{re.escape(name)}')"
    ours = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\.\s*{quoted}\s*(?:\..*)?\]\s*(?:#.*)?")
    kept: list[str] = []
    cut: list[str] = []
    inside = False
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            was, inside = inside, ours.fullmatch(line) is not None
            if was and not inside:
                kept += _comments_at_end(cut)
                cut = []
            elif inside and kept and not kept[-1].strip():
                kept.pop()  # the empty line that stood before it
        (cut if inside else kept).append(line)
    return "\n".join(kept) + "\n" if kept else ""


def _comments_at_end(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return lines[end:]


def _without_empty(held: Json, section: str) -> Json:
    return {k: v for k, v in held.items() if k != section or v != {}}


# --- both


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(mode)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _free(path: Path) -> Path:
    number, found = 1, path
    while found.exists():
        number, found = number + 1, path.with_name(f"{path.name}-{number}")
    return found
