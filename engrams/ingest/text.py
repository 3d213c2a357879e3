"""A reversible spelling for the characters that valid UTF-8 text or a database column cannot hold.

Python strings may carry NUL and lone surrogates (half an emoji, cut by a careless program). SQLite's text functions
stop at NUL, PostgreSQL refuses it, and UTF-8 has no code for a surrogate. `storable` writes each of them as a mark
and four hexadecimal digits; `original` gives back exactly what came in. Text without such characters is untouched.
"""

from __future__ import annotations

import re

#: U+FDD0, one of the code points Unicode sets aside "for internal use" and never as a character (Unicode 16, 23.7).
#: Text that already holds one has it spelled too, so nothing is ever mistaken for a spelling.
MARK = "\ufdd0"

_UNSTORABLE = re.compile("[\x00\ud800-\udfff\ufdd0]")
_SPELLED = re.compile(MARK + "([0-9a-f]{4})")


def storable(text: str) -> str:
    """The same text as valid UTF-8 without NUL; `original` undoes it."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE.sub(lambda found: f"{MARK}{ord(found[0]):04x}", text)


def original(text: str) -> str:
    """What `storable` was given."""
    return _SPELLED.sub(lambda found: chr(int(found[1], 16)), text) if MARK in text else text


def excerpt(text: str, limit: int = 60) -> str:
    """The first characters of a text for an error message: on one line, printable, at most `limit` long."""
    shown = ascii(text[: limit + 1])[1:-1]
    return shown if len(text) <= limit and len(shown) <= limit else shown[: limit - 1] + "…"
