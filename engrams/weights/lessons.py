"""What is learnt, as token ids: lessons, the sessions they belong to, and the reserve that must not change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from engrams.errors import BadSetting

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """One thing to know: after each prompt of `asked` comes `answer`, token for token.

    `otherwise`: prompts that mean the same and are never trained on, by which it is judged whether more was learnt than the
    wording. `source`: the event or engram it came from.
    """

    asked: tuple[Tokens, ...]
    answer: Tokens
    otherwise: tuple[Tokens, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if not self.answer or not self.asked or not all((*self.asked, *self.otherwise)):
            raise BadSetting(
                "Lesson", (self.asked, self.answer), "an answer and at least one prompt, none of them empty"
            )


@dataclass(frozen=True, slots=True)
class Session:
    """Lessons that are written together, and can be forgotten together: a conversation, or a topic."""

    name: str
    lessons: tuple[Lesson, ...]

    def __post_init__(self) -> None:
        if not self.name or not self.lessons:
            raise BadSetting("Session", self.name, "a name and at least one lesson")

    @property
    def pairs(self) -> list[tuple[Tokens, Tokens]]:
        """Every prompt that is trained on, with its answer."""
        return pairs(self.lessons)

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the lessons came from, each once, in order."""
        return tuple(dict.fromkeys(lesson.source for lesson in self.lessons if lesson.source))


@dataclass(frozen=True, slots=True)
class Reserve:
    """What must not change. `replayed`: lessons the base model holds that a method may train on again or measure distances by.

    `held`: other lessons it holds, which nobody may train on: locality is judged by them. `texts`: unrelated text, by which
    drift is judged; `spoken`: unrelated text that a method may train on.
    """

    replayed: tuple[Lesson, ...] = ()
    held: tuple[Lesson, ...] = ()
    texts: tuple[Tokens, ...] = ()
    spoken: tuple[Tokens, ...] = field(default=())

    def without(self, sessions: Iterable[Session]) -> Reserve:
        """The reserve without what these sessions say anew: a lesson that shares a prompt with theirs."""
        told = {prompt for one in sessions for lesson in one.lessons for prompt in lesson.asked}
        return Reserve(
            _not_asking(self.replayed, told), _not_asking(self.held, told), self.texts, self.spoken
        )


def _not_asking(lessons: Sequence[Lesson], told: set[Tokens]) -> tuple[Lesson, ...]:
    return tuple(lesson for lesson in lessons if told.isdisjoint((*lesson.asked, *lesson.otherwise)))


def pairs(lessons: Iterable[Lesson], *, otherwise: bool = False) -> list[tuple[Tokens, Tokens]]:
    """Prompts with their answers: those trained on, or with `otherwise` those that never are."""
    return [
        (prompt, lesson.answer)
        for lesson in lessons
        for prompt in (lesson.otherwise if otherwise else lesson.asked)
    ]
