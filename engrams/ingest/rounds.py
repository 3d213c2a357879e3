"""Groups messages into rounds: what somebody said and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engrams.errors import BadSetting
from engrams.ports import Where
from engrams.records import Decision, Draft, Engram, Event, Scope, derived_id
from engrams.step import Run, Step

#: Messages looked back at, in one conversation, for the question that an answer belongs to.
LOOKED_BACK = 20


@dataclass(frozen=True)
class GroupRounds(Step[Draft, Draft]):
    """Makes rounds: a message of one of `asking`, and the messages of others up to the next such message.

    A round is an engram of kind `round` that rests on all of its messages; it is found by the first alone (`key="asked"`), or by
    all of it (`key="all"`). An answer that comes in later is added to its round, a new version of it. What no message of
    `asking` went before makes a round of its own.
    Where everybody's role is one of `asking`, as between named people, every message is a round.

    Source: LongMemEval (Wu et al. 2024), section 5.2: a round as value, the user's turn as key; the authors' code.
    """

    asking: tuple[str, ...] = ("user", "human", "")
    key: str = "asked"

    def __post_init__(self) -> None:
        if self.key not in ("asked", "all"):
            raise BadSetting("GroupRounds.key", self.key, "'asked' or 'all'")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds rounds, and what came in later to rounds that stand."""
        lines: dict[str, list[Event]] = {}
        for event in value.events:
            if event.kind == "message" and event.content.strip():
                lines.setdefault(event.session or event.thread, []).append(event)
        made: list[Engram] = []
        decisions: list[Decision] = []
        for line in lines.values():
            for number, group in enumerate(self._groups(line)):
                late = number == 0 and group[0].role not in self.asking
                standing = self._round_before(group[0], run) if late else None
                if standing is None:
                    made.append(self._round(group, run))
                elif not set(standing.sources) & {e.id for e in group}:
                    decisions.append(
                        Decision("UPDATE", self._longer(standing, group), "answered", event_id=group[-1].id)
                    )
        return replace(value, engrams=(*value.engrams, *made), decisions=(*value.decisions, *decisions))

    def _groups(self, line: Sequence[Event]) -> list[list[Event]]:
        groups: list[list[Event]] = []
        for event in line:
            if not groups or event.role in self.asking:
                groups.append([])
            groups[-1].append(event)
        return groups

    def _round_before(self, event: Event, run: Run) -> Engram | None:
        """The round that stands for the last message of `asking` before an answer; None where none does."""
        here = Scope(event.namespace, session=event.session)
        found = run.store.journal(here, Where(), limit=LOOKED_BACK, newest_first=True)
        before = [
            e
            for _, e in found
            if e.id < event.id and (e.session or e.thread) == (event.session or event.thread)
        ]
        asked = next((e for e in before if e.role in self.asking), None)
        if asked is None:
            return None
        id = derived_id(run.recipe, "round", (asked.id,))
        standing = run.store.engrams([id]).get(id)
        return standing if standing is not None and standing.state == "active" else None

    def _round(self, group: Sequence[Event], run: Run) -> Engram:
        first = group[0]
        return Engram(
            id=derived_id(run.recipe, "round", (first.id,)),
            namespace=first.namespace,
            recipe=run.recipe,
            kind="round",
            content=_joined(first.content, group[1:]),
            keys=(first.content,) if self.key == "asked" else (),
            occurred_at=first.occurred_at,
            recorded_at=first.recorded_at,
            sources=tuple(e.id for e in group),
            role=first.role,
            speaker=first.speaker,
            session=first.session,
            agent_id=first.agent_id,
            run_id=first.run_id,
            thread=first.thread,
            metadata=first.metadata,
        )

    def _longer(self, standing: Engram, group: Sequence[Event]) -> Engram:
        return replace(
            standing,
            content=_joined(standing.content, group),
            sources=(*standing.sources, *(e.id for e in group)),
        )


def _joined(before: str, group: Sequence[Event]) -> str:
    return "\n".join([before, *([_text(group)] if group else [])])


def _text(group: Sequence[Event]) -> str:
    """Messages as lines, each with who said it."""
    return "\n".join(f"{e.speaker or e.role}: {e.content}" for e in group)
