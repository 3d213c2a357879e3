"""Times as messages and files carry them: ISO text, epoch numbers in any usual unit, datetimes."""

from __future__ import annotations

import math
import re
from datetime import date, datetime

from engrams.errors import BadSetting
from engrams.records import moment

#: Epoch numbers are told apart by size. 1e11 seconds is the year 5138 while 1e11 milliseconds is March 1973, so
#: numbers from there on are milliseconds; likewise a thousand times further for micro- and nanoseconds.
MILLISECONDS_FROM, MICROSECONDS_FROM, NANOSECONDS_FROM = 1e11, 1e14, 1e17

EXPECTED = (
    "a datetime, ISO 8601 text such as '2024-05-31T14:00:00+02:00', or seconds or milliseconds since 1970, "
    "in the years 1 to 9999"
)
#: Text that is an epoch number: nine digits of seconds reach back to 1973, and no ISO date has nine in a row.
_EPOCH_TEXT = re.compile(r"\d{9,19}(\.\d+)?")


def read_moment(value: object, key: str, origin: str = "argument") -> datetime:
    """A time as aware UTC; naive times are UTC, epoch numbers may be s, ms, µs or ns.

    Raises:
        BadSetting: no such time, or one outside the years 1 to 9999; `key` says where it stood.
    """
    try:
        given = value
        if isinstance(given, str) and _EPOCH_TEXT.fullmatch(given.strip()):
            given = float(given)
        if isinstance(given, bool) or not isinstance(given, str | int | float | date):
            raise BadSetting(key, value, EXPECTED, origin)
        if isinstance(given, int | float):
            given = _seconds(given)
        return moment(given, key)
    except (BadSetting, OverflowError) as cause:
        raise BadSetting(key, value, EXPECTED, origin) from cause


def _seconds(number: int | float) -> float:
    size = abs(number)
    if not math.isfinite(size) or size < MILLISECONDS_FROM:
        return number
    if size < MICROSECONDS_FROM:
        return number / 1e3
    return number / 1e6 if size < NANOSECONDS_FROM else number / 1e9
