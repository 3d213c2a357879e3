"""What the doors do with the log: one line an event, as JSON or as text, on standard error, and never any content.

Nothing here is installed by importing it: a door that owns its process calls `listen`. Of an error a line has the type and
the places in the code it went through; its message may quote what a memory holds, and stays out. Texts that other code logs
under our names are shown where they look like a name, and else replaced by their length.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

#: The environment variables, for the processes that a door starts.
FORM_VARIABLE, LEVEL_VARIABLE = "ENGRAMS_LOG", "ENGRAMS_LOG_LEVEL"
#: Everything of ours is logged under this name.
NAME = "engrams"
#: What is shown of a text that somebody else logs: ids, namespaces, paths, names of classes. Anything with a space is not.
LOOKS_LIKE_A_NAME = re.compile(r"[\w.:/@*+-]{1,200}")
#: Frames of an error that are shown, the innermost last.
MOST_FRAMES = 30


class _Handler(logging.Handler):
    """Writes to what standard error is at that moment, or to a stream."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """One line; a reader that went away is no reason to fail."""
        with contextlib.suppress(OSError, ValueError):
            (self._stream or sys.stderr).write(self.format(record) + "\n")
            self.flush()


class JsonForm(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return json.dumps(_fields(record), ensure_ascii=True)


class TextForm(logging.Formatter):
    """A record as one line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields = _fields(record)
        head = [str(fields.pop(key)) for key in ("time", "level", "event")]
        del fields["logger"]
        rest = [f"{key}={value}" for key, value in fields.items() if value not in (None, "", [])]
        return " ".join([*head, *rest])


def listen(
    form: str | None = None, level: str | None = None, *, auto: str = "text", stream: TextIO | None = None
) -> None:
    """Shows what is logged under our name, on standard error, as the arguments say, else as the settings do.

    `auto` is the form where nobody said any. What was given holds also for the processes that this one starts.

    Raises:
        BadSetting: no such form or level.
    """
    from engrams.settings import Settings

    given = {FORM_VARIABLE: form, LEVEL_VARIABLE: level}
    os.environ.update({variable: value for variable, value in given.items() if value is not None})
    found = Settings.load()
    form = auto if found.log == "auto" else found.log
    log = logging.getLogger(NAME)
    for old in [h for h in log.handlers if isinstance(h, _Handler)]:
        log.removeHandler(old)
    handler: logging.Handler = logging.NullHandler() if form == "off" else _Handler(stream)
    handler.setFormatter(JsonForm() if form == "json" else TextForm())
    log.setLevel(found.log_level.upper())
    log.addHandler(handler)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
    }
    told = getattr(record, "told", None)
    if isinstance(told, dict):  # an event of ours: `lifecycle.telling`
        return {**fields, "event": record.msg, **told}
    fields["event"] = _said(record)
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if error is not None:
        fields["error"] = type(error).__name__
        fields["at"] = _places(error)
    return fields


def _said(record: logging.LogRecord) -> str:
    """The message as far as it may be shown: a template is the code's own text, what is filled in may be anybody's.

    A message without arguments may have been put together before, so it is shown only where it looks like a name.
    """
    if not record.args or not isinstance(record.msg, str):
        return str(shown(record.msg))
    args = record.args
    kept: Any = (
        {k: shown(v) for k, v in args.items()} if isinstance(args, Mapping) else tuple(map(shown, args))
    )
    try:
        return str(record.msg % kept)
    except (TypeError, ValueError):  # a template of numbers (%d, %g) was given a text
        return record.msg


def shown(value: object) -> Any:
    """A value as a log may show it: numbers, names, the type of an error; of other texts how long they are."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, type):
        return value.__name__
    text = value if isinstance(value, str) else None
    if text is None:
        return f"({type(value).__name__})"
    return text if LOOKS_LIKE_A_NAME.fullmatch(text) else f"(text of {len(text)} characters)"


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
