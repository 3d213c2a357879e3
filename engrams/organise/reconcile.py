"""Reconciles: what a new statement says against what stands, by rules, without a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from engrams.errors import BadSetting
from engrams.organise.facts import Fact, activity, content, read_fact, same, sentences
from engrams.organise.standing import standing
from engrams.ports import Where
from engrams.records import Decision, Draft, Engram, EventId
from engrams.step import Run, Step

#: How sure a decision is: an outright change ("moved to", "no longer"), and two statements of what can be one only.
SURE, LIKELY = 0.95, 0.8
#: Attributes of which a person has one at a time, so that a later statement alone ends the earlier one.
ONE_AT_A_TIME = frozenset({"home", "status"})


@dataclass(frozen=True)
class Supersede(Step[Draft, Draft]):
    """Notices when a statement ends an earlier one, and closes that one: superseded, `valid_to` set, never deleted.

    Alphabet: INVALIDATE for what holds no longer, NOOP (no decision) for everything else. Who spoke must be the same, the
    earlier engram must say nothing but the one fact, and the later must be at least as new. In a write chain the new
    engrams of a draft are held against what stands in the namespace; in a consolidate chain all of them against each
    other. `confidence` (0..1) is the least that decides.

    Source: none; the kinds of updates are those that users of memory products report (moves, jobs, numbers, dates,
    "no longer"). What the rules catch and miss is measured in docs/time-travel.md. English only.
    """

    confidence: float = LIKELY
    roles: tuple[str, ...] = ("user", "human", "")

    def __post_init__(self) -> None:
        if not 0 < self.confidence <= 1:
            raise BadSetting("Supersede.confidence", self.confidence, "a number above 0, at most 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the decisions."""
        news = [(e, fact) for e in value.engrams if self._counts(e) for fact in self._facts(e)]
        news = [(e, fact) for e, fact in news if fact.mode != "state" or fact.attribute in ONE_AT_A_TIME]
        if not news:
            return value
        if value.events:
            fresh = {e.id for e in value.engrams}
            there = standing(run.store, value.engrams[0].namespace, Where(writer=run.recipe))
            olds = [e for _, e in there if e.id not in fresh]
        else:
            olds = list(value.engrams)
        decisions: dict[str, Decision] = {}
        for new, fact in sorted(news, key=lambda pair: pair[0].occurred_at):
            for old in olds:
                if self._counts(old) and old.id not in decisions and _after(new, old):
                    made = decide(fact, new, old)
                    if made is not None and made.confidence >= self.confidence:
                        decisions[old.id] = made
        return replace(value, decisions=(*value.decisions, *decisions.values()))

    def _counts(self, engram: Engram) -> bool:
        return engram.state == "active" and engram.role in self.roles and not engram.pinned

    def _facts(self, engram: Engram) -> Iterable[Fact]:
        return [fact for s in sentences(engram.content) if (fact := read_fact(s)) is not None]


def decide(fact: Fact, new: Engram, old: Engram) -> Decision | None:
    """Whether a fact of a new engram ends what an old one says; None where it does not."""
    said = sentences(old.content)
    if len(said) != 1:  # what else it says may still be true
        return None
    ended = ends(fact, said[0])
    if ended is None:
        return None
    confidence = LIKELY if fact.mode == "state" else SURE
    now = "no longer" if fact.mode == "end" else fact.value
    source = new.sources[0] if new.sources else None
    return Decision(
        "INVALIDATE",
        replace(old, state="superseded", valid_to=new.occurred_at),
        f"{fact.attribute}: {ended} -> {now} (rule, confidence {confidence:g})",
        confidence,
        None if source is None else EventId(source),
    )


def ends(fact: Fact, earlier: str) -> str | None:
    """The value of an earlier sentence that a fact ends; None where it does not."""
    before = read_fact(earlier)
    if fact.mode == "end":
        return _ended_value(fact, earlier, before)
    if before is None or before.mode == "end":
        return None
    if (before.who, before.attribute) != (fact.who, fact.attribute) or same(before.value, fact.value):
        return None
    if fact.attribute == "prefer":
        return before.value if _same_words(fact.about, before.value) else None
    if fact.attribute.startswith("time") and fact.about != before.about:
        return None
    return before.value


def _ended_value(fact: Fact, earlier: str, before: Fact | None) -> str | None:
    if before is not None and (before.mode == "end" or before.who != fact.who):
        return None
    if fact.attribute != "does":
        alike = before is not None and before.attribute == fact.attribute and same(before.value, fact.value)
        return before.value if before is not None and alike else None
    plain = activity(earlier)
    if plain is None or plain.who != fact.who:
        return None
    gone, stood = content(fact.value), content(plain.value)
    return plain.value if gone and _inside(gone, stood) else None


def _inside(gone: Sequence[str], stood: Sequence[str]) -> bool:
    """Whether all that ended was said; a thing alone ("coffee") ends what was done with it, with no other thing named."""
    return set(gone) <= set(stood) and (len(gone) > 1 or len(stood) <= len(gone) + 2)


def _same_words(one: str, other: str) -> bool:
    return bool(content(one)) and set(content(one)) <= set(content(other))


def _after(new: Engram, old: Engram) -> bool:
    """Whether the one was said by the same person as the other, and not before it."""
    return new.id != old.id and new.speaker == old.speaker and new.occurred_at >= old.occurred_at
