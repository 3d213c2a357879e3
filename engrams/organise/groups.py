"""Summarises groups of what stands: the rounds of a day, the messages of a session, or everything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from engrams.errors import BadSetting
from engrams.organise.central import central_sentences
from engrams.organise.notes import keywords
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Decision, Draft, Engram, EngramId, derived_id
from engrams.step import Run, Step

By = Literal["day", "session", "all"]
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
#: The key of an engram's metadata that says what group it sums up: "day", "session" or "all".
GRAIN = "grain"


@dataclass(frozen=True)
class Group:
    """Engrams that belong together, oldest first, and the key they have in common."""

    key: str
    engrams: tuple[Engram, ...]


@dataclass(frozen=True)
class SummariseGroups(Step[Draft, Draft]):
    """Asks a model for one text on each group of engrams of kind `of` (and grain `of_grain`), kept as an engram of kind `into`.

    Groups are those of a day, a session, or all (`by`). A group that was summed up and has not grown is left alone; one that has
    is summed up anew, a new version. The text is at most `tokens` (>= 1) long. One call a group. For a consolidate chain, whose
    draft holds all that stands.

    Source: MemoryBank (Zhong et al. 2023), summaries and portraits of days and of all; MemGAS (2025), of sessions.
    Without a model: the sentences nearest to the middle of all (`TakeCentral`) for a summary, the words that stand out
    (`TakeKeywords`) for keywords; a portrait (`into="profile"`) is left out.
    """

    asks: ClassVar[tuple[str, ...]] = ("summarise",)

    by: By
    of: str
    into: str
    prompt: Prompt
    of_grain: str = ""
    tokens: int = 400

    def __post_init__(self) -> None:
        _require_by("SummariseGroups", self.by)
        if self.tokens < 1:
            raise BadSetting("SummariseGroups.tokens", self.tokens, "a number of tokens, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and adds.

        Raises:
            ModelError: the model failed, or twice gave what is no text.
        """
        due = due_groups(value, self.by, self.of, self.of_grain, self.into, run)
        asks = [
            Ask("summarise", self.prompt, {"memories": lines(group)}, TEXT, most_tokens=self.tokens)
            for group in due
        ]
        texts = [str((a.value or {})["text"]).strip() for a in run.chat.ask_many(asks)]
        return with_groups(value, due, texts, self.by, self.into, run)

    def without_model(self) -> Step[Draft, Draft] | None:
        """The counterpart that asks no model."""
        if self.into == "profile":
            return LeaveOut(what="profile")
        if self.into == "keywords":
            return TakeKeywords(by=self.by, of=self.of, of_grain=self.of_grain)
        return TakeCentral(by=self.by, of=self.of, into=self.into, of_grain=self.of_grain)


@dataclass(frozen=True)
class TakeCentral(Step[Draft, Draft]):
    """Sums each group up by its `most` (>= 1) sentences that have most in common with all others, in the order they were said.

    In place of a model's summary: nothing is said in other words.
    """

    by: By
    of: str
    into: str = "summary"
    of_grain: str = ""
    most: int = 3

    def __post_init__(self) -> None:
        _require_by("TakeCentral", self.by)
        if self.most < 1:
            raise BadSetting("TakeCentral.most", self.most, "a number of sentences, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the summaries."""
        due = due_groups(value, self.by, self.of, self.of_grain, self.into, run)
        texts = [" ".join(central_sentences([e.content for e in g.engrams], self.most)) for g in due]
        return with_groups(value, due, texts, self.by, self.into, run)


@dataclass(frozen=True)
class TakeKeywords(Step[Draft, Draft]):
    """Notes the `most` (>= 1) words that stand out in each group, joined by "; ", in place of a model's keywords."""

    by: By
    of: str
    of_grain: str = ""
    most: int = 10

    def __post_init__(self) -> None:
        _require_by("TakeKeywords", self.by)
        if self.most < 1:
            raise BadSetting("TakeKeywords.most", self.most, "a number of words, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the keywords."""
        due = due_groups(value, self.by, self.of, self.of_grain, "keywords", run)
        texts = ["; ".join(keywords(" ".join(e.content for e in g.engrams), self.most)) for g in due]
        return with_groups(value, due, texts, self.by, "keywords", run)


@dataclass(frozen=True)
class LeaveOut(Step[Draft, Draft]):
    """Does nothing, in place of a model that would write `what`: there is no honest counterpart."""

    what: str

    def __call__(self, value: Draft, run: Run) -> Draft:
        """The same."""
        return value


@dataclass(frozen=True)
class JoinSessions(Step[Draft, Draft]):
    """Makes one engram of kind `session` of all messages of each session, found by all of its words.

    No option of `SummariseGroups`: it asks nobody and leaves nothing out; what it makes is all words of a session. None of
    `GroupRounds`, whose groups are closed when their messages are written, a session when it is consolidated.

    Source: MemGAS (2025), the authors' code: the session as one of four grains.
    """

    of: str = "passage"

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the sessions."""
        due = due_groups(value, "session", self.of, "", "session", run)
        return with_groups(value, due, [lines(group) for group in due], "session", "session", run)


def oldest_first(engrams: Iterable[Engram]) -> list[Engram]:
    """Engrams by when they happened, then by the journal; those of one message stay as they were given.

    No further by their ids: these are drawn, and would put the same memories in another order in each store.
    """
    return sorted(engrams, key=lambda e: (e.occurred_at, e.sources[:1]))


def groups_of(value: Draft, by: By, of: str, grain: str) -> list[Group]:
    """The groups of a draft's active engrams of one kind and grain, each oldest first, in the order of their first."""
    found: dict[str, list[Engram]] = {}
    for engram in oldest_first(value.engrams):
        if engram.kind == of and engram.state == "active" and engram.metadata.get(GRAIN, "") == grain:
            key = {
                "day": f"{engram.occurred_at:%Y-%m-%d}",
                "session": engram.session or engram.thread,
                "all": "all",
            }[by]
            found.setdefault(key, []).append(engram)
    return [Group(key, tuple(engrams)) for key, engrams in found.items()]


def due_groups(value: Draft, by: By, of: str, grain: str, into: str, run: Run) -> list[Group]:
    """The groups that were not summed up yet, or have grown since."""
    standing = {e.id: e for e in value.engrams}
    due = []
    for group in groups_of(value, by, of, grain):
        made = standing.get(group_id(run, into, by, group))
        if made is None or set(made.sources) != set(_sources(group)):
            due.append(group)
    return due


def group_id(run: Run, into: str, by: By, group: Group) -> EngramId:
    """The id of what sums a group up: the same whenever that is done."""
    return derived_id(run.recipe, into, (group.engrams[0].namespace, by, group.key))


def with_groups(
    value: Draft, groups: Sequence[Group], texts: Sequence[str], by: By, into: str, run: Run
) -> Draft:
    """A draft with what sums the groups up: new engrams, and new versions of those that stand."""
    standing = {e.id: e for e in value.engrams}
    made: dict[EngramId, Engram] = {}
    decisions = list(value.decisions)
    for group, text in zip(groups, texts, strict=True):
        if not text:
            continue
        first, last = group.engrams[0], group.engrams[-1]
        engram = Engram(
            id=group_id(run, into, by, group),
            namespace=first.namespace,
            recipe=run.recipe,
            kind=into,
            content=text,
            occurred_at=last.occurred_at,
            recorded_at=run.clock.now(),
            sources=_sources(group),
            session=first.session if by == "session" else None,
            thread=first.thread if by == "session" else "",
            agent_id=first.agent_id,
            run_id=first.run_id,
            metadata={GRAIN: by, "of": group.key},
        )
        if engram.id in standing:
            decisions.append(Decision("UPDATE", engram, f"{by} {group.key} has grown"))
        made[engram.id] = engram
    kept = tuple(made.pop(e.id, e) for e in value.engrams)
    return replace(value, engrams=(*kept, *made.values()), decisions=tuple(decisions))


def lines(group: Group) -> str:
    """A group as a model reads it: day, speaker, words."""
    return "\n".join(
        f"[{e.occurred_at:%Y-%m-%d}] {f'{who}: ' if (who := e.speaker or e.role) else ''}{e.content}"
        for e in group.engrams
    )


def _sources(group: Group) -> tuple[str, ...]:
    """The events a group rests on, each once, in their order."""
    return tuple(dict.fromkeys(source for e in group.engrams for source in e.sources))


def _require_by(step: str, given: str) -> None:
    if given not in ("day", "session", "all"):
        raise BadSetting(f"{step}.by", given, "'day', 'session' or 'all'")
