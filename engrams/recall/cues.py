"""Cues beside the words: who spoke, when, in what role, whether it was a question, how long it is.

Cues count as they are, not in standard deviations: most rows of most questions share one value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engrams.errors import BadSetting
from engrams.ports import IS_QUESTION, Bool, Float32, Int64
from engrams.recall.dates import NamedDate
from engrams.recall.found import Found, Signal
from engrams.step import Run, Step


@dataclass(frozen=True)
class SpeakerMatch(Step[Found, Found]):
    """Whether a row was said by whom the question is about: signal `speaker`, 1 if so, -1 if not, 0 if nobody is named."""

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal."""
        about = value.question.speaker
        if about < 0:
            cue = np.zeros(len(value.rows), dtype=np.float32)
        else:
            cue = np.where(value.view.speaker[value.rows] == about, np.float32(1), np.float32(-1))
        return value.with_signal("speaker", Signal(cue))


@dataclass(frozen=True)
class DateMatch(Step[Found, Found]):
    """How well a row's time fits a date that the question names: signal `date`, 0..3, the best of all dates named.

    A year that fits gives 1, a month 2, and a day 3 if it is at most `days_off` (>= 0) away; further on in the month
    1.5, since people tell of things after they happened, before it 0.5. It only shifts the ranking: dates in questions
    are often those of the event, not of its telling. `since` and `until` of a query filter exactly.
    """

    days_off: int = 2

    def __post_init__(self) -> None:
        if self.days_off < 0:
            raise BadSetting("DateMatch.days_off", self.days_off, "a whole number of days, at least 0")

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal."""
        cue = np.zeros(len(value.rows), dtype=np.float32)
        if value.question.dates:
            days = (value.view.occurred_at[value.rows] // MICROSECONDS_PER_DAY).astype("datetime64[D]")
            months = days.astype("datetime64[M]")
            year = months.astype("datetime64[Y]").astype(np.int64) + 1970
            month = months.astype(np.int64) % 12 + 1
            day = (days - months).astype(np.int64) + 1
            for date in value.question.dates:
                np.maximum(cue, self._fit(date, year, month, day), out=cue)
        return value.with_signal("date", Signal(cue))

    def _fit(self, date: NamedDate, year: Int64, month: Int64, day: Int64) -> Float32:
        fits: Bool = np.ones(len(year), dtype=np.bool_)
        if date.year is not None:
            fits &= year == date.year
        if date.month is not None:
            fits &= month == date.month
        if date.month is None or date.day is None:
            return (fits * (1 if date.month is None else 2)).astype(np.float32)
        told = np.where(day >= date.day, 1.5, 0.5)
        return (fits * np.where(np.abs(day - date.day) <= self.days_off, 3, told)).astype(np.float32)


MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class RoleMatch(Step[Found, Found]):
    """Whether a row was said by the user, where a user speaks with an assistant: signal `role`, 1 or 0.

    What people ask a memory for is mostly what they said themselves; the assistant's turns are long and match more.
    """

    role: str = "user"
    beside: str = "assistant"

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal; all 0 where not both roles occur."""
        roles = list(value.view.roles)
        if self.role in roles and self.beside in roles:
            cue = (value.view.role[value.rows] == roles.index(self.role)).astype(np.float32)
        else:
            cue = np.zeros(len(value.rows), dtype=np.float32)
        return value.with_signal("role", Signal(cue))


@dataclass(frozen=True)
class QuestionCues(Step[Found, Found]):
    """Signals `question` (1 where a row is a question itself) and `reply` (1 where the row before it is one).

    Questions ask for what is not there; a reply holds it, in words of its own.
    """

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds both signals."""
        asks = np.append((value.view.flags & IS_QUESTION) > 0, False).astype(np.float32)
        found = value.with_signal("question", Signal(asks[value.rows]))
        return found.with_signal("reply", Signal(asks[value.view.previous[value.rows]]))


@dataclass(frozen=True)
class LengthCue(Step[Found, Found]):
    """How much longer a row is than a chat turn: signal `length`, ln(distinct pieces / `usual`), 0 up to `usual` (>= 1).

    The longer a row, the likelier that it holds something similar to anything.
    """

    usual: int = 30

    def __post_init__(self) -> None:
        if self.usual < 1:
            raise BadSetting("LengthCue.usual", self.usual, "a number of word pieces, at least 1")

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal."""
        offsets = value.view.offsets
        pieces = offsets[value.rows + 1] - offsets[value.rows]
        cue = np.log(np.maximum(pieces / self.usual, 1)).astype(np.float32)
        return value.with_signal("length", Signal(cue))
