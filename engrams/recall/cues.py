"""Cues beside the words: who spoke, in what role, whether it was a question, how long it is.

Cues count as they are, not in standard deviations: most rows of most questions share one value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engrams.errors import BadSetting
from engrams.ports import IS_QUESTION, Bool, Float32, View
from engrams.recall.derived import once
from engrams.recall.found import Found, Signal, nothing
from engrams.step import Run, Step


@dataclass(frozen=True)
class SpeakerMatch(Step[Found, Found]):
    """Whether a row was said by whom the question is about: signal `speaker`, 1 if so, -1 if not, 0 if nobody is named."""

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal."""
        about = value.question.speaker
        if about < 0:
            cue = nothing(len(value.rows))
        else:
            cue = np.where(value.of_rows(value.view.speaker) == about, np.float32(1), np.float32(-1))
        return value.with_signal("speaker", Signal(cue))


@dataclass(frozen=True)
class RoleMatch(Step[Found, Found]):
    """Whether a row was said by the user, where a user speaks with an assistant: signal `role`, 1 or 0.

    What people ask a memory for is mostly what they said themselves; the assistant's turns are long and match more.
    """

    role: str = "user"
    beside: str = "assistant"

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal; all 0 where not both roles occur."""
        cue = once(value.view, ("role", self.role, self.beside), lambda: self._cue(value.view))
        return value.with_signal("role", Signal(value.of_rows(cue)))

    def _cue(self, view: View) -> Float32:
        roles = list(view.roles)
        if self.role in roles and self.beside in roles:
            cue: Bool = view.role == roles.index(self.role)
            return cue.astype(np.float32)
        return nothing(view.size)


@dataclass(frozen=True)
class QuestionCues(Step[Found, Found]):
    """Signals `question` (1 where a row is a question itself) and `reply` (1 where the row before it is one).

    Questions ask for what is not there; a reply holds it, in words of its own.
    """

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds both signals."""
        asks, replies = once(value.view, ("questions",), lambda: _asks_and_replies(value.view))
        found = value.with_signal("question", Signal(value.of_rows(asks)))
        return found.with_signal("reply", Signal(value.of_rows(replies)))


def _asks_and_replies(view: View) -> tuple[Float32, Float32]:
    """1 where a row is a question, and 1 where the row before it is one, each float32[size]."""
    asks = np.append((view.flags & IS_QUESTION) > 0, False).astype(np.float32)
    return asks[:-1], asks[view.previous]


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
        cue = once(value.view, ("length", self.usual), lambda: self._cue(value.view))
        return value.with_signal("length", Signal(value.of_rows(cue)))

    def _cue(self, view: View) -> Float32:
        return np.log(np.maximum(np.diff(view.offsets) / self.usual, 1)).astype(np.float32)
