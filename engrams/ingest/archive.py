"""Archives as chat programs hand them out: the conversations inside a zip, or in a folder it was unpacked to."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from engrams.errors import BadSetting, UsageError
from engrams.ingest.source import Source

#: ChatGPT and Claude: one file, or since 2026 numbered shards of it.
_CONVERSATIONS = re.compile(r"(?:^|/)conversations(?:-\d+)?\.json$")
_READABLE = (".json", ".jsonl", ".txt", ".md")
#: A member that would unpack to more is refused: larger than any chat export, and a way to fill the memory.
LARGEST_MEMBER = 4 << 30


def is_zip(source: Source) -> bool:
    """Whether it begins as a zip archive."""
    return source.head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def unpacked(source: Source) -> Iterator[Source]:
    """The files of an archive that hold conversations, in the order of their names; each is unpacked when reached.

    Raises:
        BadSetting: a damaged, encrypted or bloated archive.
        UsageError: nothing readable inside, or several files of which none is the one.
    """
    try:
        with source.open() as stream, zipfile.ZipFile(stream) as archive:
            infos = {i.filename: i for i in archive.infolist() if not i.is_dir()}
            for name in _chosen(source.name, list(infos)):
                if infos[name].file_size > LARGEST_MEMBER:
                    size = f"{infos[name].file_size} bytes"
                    raise BadSetting(
                        f"{source.name}/{name}", size, f"at most {LARGEST_MEMBER} bytes unpacked", "file"
                    )
                yield Source(f"{source.name}/{name}", archive.read(name), source.problems)
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError) as cause:
        # RuntimeError is zipfile's word for "encrypted"
        raise BadSetting(
            source.name, str(cause), "an undamaged zip archive without a password", "file"
        ) from cause


def in_folder(folder: Path, problems: list[BadSetting] | None) -> list[Source]:
    """The files of an unpacked export that hold conversations.

    Raises:
        UsageError: nothing readable inside, or several files of which none is the one.
    """
    names = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    return [Source(name, folder / name, problems) for name in _chosen(str(folder), names)]


def _chosen(where: str, names: list[str]) -> list[str]:
    """The conversations files if there are any, else the only readable file."""
    found = sorted(n for n in names if _CONVERSATIONS.search(n))
    if found:
        whole = [n for n in found if n.endswith("conversations.json")]
        return whole or found
    readable = sorted(n for n in names if n.lower().endswith(_READABLE) and not n.startswith("__MACOSX/"))
    if len(readable) == 1:
        return readable
    inside = ", ".join((readable or sorted(names))[:5]) or "nothing"
    raise UsageError(
        f"{where} holds {inside}{'…' if len(names) > 5 else ''}; "
        "expected conversations.json (a ChatGPT or Claude export) or exactly one .json, .jsonl, .txt or .md file"
    )
