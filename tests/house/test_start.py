"""Importing does no work: what `import engrams` may load, and what it shows."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

# What `import engrams` may load, by top-level name: the package itself and the cheap part of the standard library.
# Not here: numpy, click, rich, sqlite3, asyncio, logging, http, multiprocessing; each costs more than all of these.
MAY_BE_LOADED = frozenset(
    """
    engrams __future__ _ast _bisect _blake2 _collections _collections_abc _datetime _functools _hashlib
    _heapq _json _locale _opcode _operator _posixsubprocess _random _sre _stat _string _struct _typing
    _weakref _weakrefset abc ast base64 binascii bisect builtins collections contextlib copy copyreg
    dataclasses datetime difflib dis enum errno fnmatch functools genericpath hashlib heapq importlib
    inspect io ipaddress itertools json keyword linecache math ntpath numbers opcode operator os pathlib
    posix posixpath random re reprlib stat string struct sys time token tokenize types typing unicodedata
    urllib uuid warnings weakref zlib zoneinfo
    """.split()
)

REPORT = """
import json, sys
before = set(sys.modules)
import engrams
print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))
"""

NAMES = """
import json, engrams
seen = {name: getattr(engrams, name, None) is not None for name in engrams.__all__}
shown = [name for name in dir(engrams) if not name.startswith("_")]
print(json.dumps({"all": engrams.__all__, "dir": shown, "seen": seen}))
"""


def answer(program: str) -> object:
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(child.stdout)


def test_importing_loads_nothing_heavy() -> None:
    loaded = answer(REPORT)
    assert isinstance(loaded, list)
    assert "engrams" in loaded
    assert sorted(set(loaded) - MAY_BE_LOADED) == []


def test_the_public_names_are_what_is_seen() -> None:
    names = answer(NAMES)
    assert isinstance(names, dict)
    public = [name for name in names["all"] if not name.startswith("_")]
    assert names["all"] == sorted(names["all"])
    assert names["dir"] == public
    assert all(names["seen"].values())
    assert "Memory" in public


def test_the_version_is_the_packages_own(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert answer("import json, engrams; print(json.dumps(engrams.__version__))") == project["version"]


def test_asking_for_an_unknown_name_says_so() -> None:
    program = (
        "import engrams\ntry:\n engrams.Memry\nexcept AttributeError as e:\n print('\"', e, '\"', sep='')"
    )
    assert "Memry" in str(answer(program))
