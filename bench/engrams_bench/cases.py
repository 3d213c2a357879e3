"""The common shape of every data set: a haystack of sessions, and questions with the turns that answer them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engrams import Message


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing said, with the id the data set knows it by."""

    id: str
    message: Message


@dataclass(frozen=True, slots=True)
class Session:
    """Turns that belong together: one sitting of a conversation, or one document."""

    id: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the ids of the turns and sessions that answer it, and when it is asked (None: the set does not say).

    `sessions` is empty where sessions say nothing that turns do not. `answer` is what the set holds for right ("": it says nothing).
    `abstain`: the haystack does not answer it, and a good memory says so. Gold of such a question names what misleads.
    """

    id: str
    text: str
    category: str
    turns: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    asked_at: datetime | None = None
    abstain: bool = False
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One haystack with the questions asked of it. Turn ids and session ids are unique inside a case."""

    id: str
    sessions: tuple[Session, ...]
    questions: tuple[Question, ...]

    @property
    def size(self) -> int:
        """How many turns the haystack holds."""
        return sum(len(session.turns) for session in self.sessions)


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set as the catalogue lists it.

    `files` are glob patterns below the data folder; the first that matches anything is read. `load` turns the matched
    files, in sorted order, into cases. `level` is what the set's gold is best judged by: "turn" or "session".
    `folder` is where a set lies that brings its own files.
    """

    name: str
    title: str
    licence: str
    source: str
    files: tuple[str, ...]
    load: Callable[[list[Path]], Iterator[Case]]
    level: str = "turn"
    folder: Callable[[], Path] | None = None
