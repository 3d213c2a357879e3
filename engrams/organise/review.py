"""Reviews what stands together, group by group: what is outdated goes, what says the same becomes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from engrams.arithmetic import cross_polytope
from engrams.errors import BadSetting, NeedsExtra
from engrams.organise.extract import plain
from engrams.organise.facts import read_fact, sentences
from engrams.organise.groups import Group, oldest_first
from engrams.organise.judge import numbered
from engrams.organise.reconcile import decide
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Decision, Draft, Engram, EngramId, EventId, Query, Ranked, Scope
from engrams.step import Run, Step

Act = Literal["DELETE", "MERGE"]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of some of a group, numbered from 0: with a text they are one that says it, without they go."""

    numbers: tuple[int, ...]
    text: str = ""
    why: str = ""


@dataclass(frozen=True)
class ReviewGroups(Step[Draft, Draft]):
    """Does with each group that `grouping` gives and that holds something new as `judge` says.

    What goes: a new engram is left out, a standing one archived with its history. What becomes one: the first that stands, else the
    first, says the text of all and rests on the sources of all (MERGE); the others go. What an earlier step of the chain
    decided counts. A group of one is not reviewed.

    Source: TiM (Liu et al. 2023), section 3.4, forget and merge inside a group; CAIM (Westhäußer et al. 2025), memory review of
    what has the same tag.
    """

    grouping: Step[Draft, tuple[Group, ...]]
    judge: Step[Group, tuple[Ruling, ...]]

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Groups, judges and applies."""
        stored = run.store.engrams([e.id for e in value.engrams])
        standing = {id for id, e in stored.items() if e.state == "active"}  # one taken out may be made again
        made: dict[EngramId, Engram | None] = {e.id: e for e in value.engrams if e.id not in standing}
        decisions = {d.engram.id: d for d in value.decisions}
        event = value.events[-1].id if value.events else None  # what brought it about
        for group in self.grouping(value, run):
            known = [made.get(e.id, _decided(e, decisions)) for e in group.engrams]
            members = tuple(e for e in known if e is not None and e.state == "active")
            if len(members) < 2:
                continue
            for ruling in self.judge(Group(group.key, members), run):
                _apply(ruling, members, made, decisions, event)
        kept = (made.get(e.id, _decided(e, decisions)) for e in value.engrams)
        return replace(
            value,
            engrams=tuple(e for e in kept if e is not None),
            decisions=tuple(decisions.values()),
        )


def _decided(engram: Engram, decisions: Mapping[EngramId, Decision]) -> Engram:
    return decisions[engram.id].engram if engram.id in decisions else engram


def _apply(
    ruling: Ruling,
    members: Sequence[Engram],
    made: dict[EngramId, Engram | None],
    decisions: dict[EngramId, Decision],
    event: EventId | None,
) -> None:
    """Notes what one ruling means; members that an earlier one changed are taken as they are now."""
    now = [made.get(e.id, _decided(e, decisions)) for e in members]
    chosen = [e for n in dict.fromkeys(ruling.numbers) if 0 <= n < len(now) and (e := now[n]) is not None]
    chosen = [e for e in chosen if e.state == "active"]
    if not chosen or (ruling.text and len(chosen) < 2):
        return
    last = max(chosen, key=lambda e: e.occurred_at)
    kept = None
    if ruling.text:
        kept = next((e for e in chosen if e.id not in made), chosen[0])
        one = replace(
            kept,
            content=ruling.text,
            sources=tuple(dict.fromkeys(s for e in chosen for s in e.sources)),
            occurred_at=last.occurred_at,
            metadata={**kept.metadata, **({"tags": tags} if (tags := _tags(chosen)) else {})},
        )
        if kept.id in made:
            made[kept.id] = one
        else:
            decisions[kept.id] = Decision("MERGE", one, ruling.why or "says what others said", event_id=event)
    for engram in chosen:
        if kept is not None and engram.id == kept.id:
            continue
        if engram.id in made:
            made[engram.id] = None
        else:
            why = ruling.why or ("merged with another" if kept else "outdated or needless")
            decisions[engram.id] = Decision("DELETE", replace(engram, state="archived"), why, event_id=event)


def _tags(engrams: Sequence[Engram]) -> list[str]:
    """The tags of all, each once."""
    return list(dict.fromkeys(str(tag) for e in engrams for tag in e.metadata.get("tags", ())))


@dataclass(frozen=True)
class ByHash(Step[Draft, tuple[Group, ...]]):
    """The groups of a cross-polytope hash into which new engrams of `kind` fall: these, and what `find` gives of what stands there.

    `groups` (even, at least 2) and `seed` must be those by which `find` looks.

    Source: TiM (Liu et al. 2023), section 3.3.
    """

    find: Step[Query, Ranked[Engram]]
    kind: str = "thought"
    groups: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.groups < 2 or self.groups % 2:
            raise BadSetting("ByHash.groups", self.groups, "an even number of groups, at least 2")

    def __call__(self, value: Draft, run: Run) -> tuple[Group, ...]:
        """Groups.

        Raises:
            NeedsExtra: there is no embedder.
            ModelError: the embedder failed.
        """
        new = [e for e in value.engrams if e.kind == self.kind and e.state == "active"]
        if not new:
            return ()
        if run.embedder is None:
            raise NeedsExtra(f"{run.recipe!r} groups what is alike by vectors, and so", "embed")
        places = cross_polytope(run.embedder.embed([e.content for e in new]), self.groups, self.seed)
        found: dict[int, dict[EngramId, Engram]] = {}
        queries = [Query(e.content, Scope(e.namespace), writer=run.recipe) for e in new]
        for place, ranked in zip(places.tolist(), self.find.many(queries, run), strict=True):
            found.setdefault(place, {}).update({s.item.id: s.item for s in ranked.items})
        for place, engram in zip(places.tolist(), new, strict=True):
            found[place][engram.id] = engram
        return tuple(
            Group(str(place), tuple(oldest_first(held.values()))) for place, held in sorted(found.items())
        )


@dataclass(frozen=True)
class ByTag(Step[Draft, tuple[Group, ...]]):
    """The engrams of `kind` that have a tag in common (metadata `tags`), oldest first, for each tag that a new one has.

    For a consolidate chain, whose draft holds all that stands.

    Source: CAIM (Westhäußer et al. 2025), memory review.
    """

    kind: str = "thought"

    def __call__(self, value: Draft, run: Run) -> tuple[Group, ...]:
        """Groups."""
        held = [e for e in value.engrams if e.kind == self.kind and e.state == "active"]
        stored = run.store.engrams([e.id for e in held])
        new = [e for e in held if e.id not in stored or stored[e.id].state != "active"]
        touched = dict.fromkeys(str(tag) for e in new for tag in e.metadata.get("tags", ()))
        ordered = oldest_first(held)
        return tuple(
            Group(tag, tuple(e for e in ordered if tag in e.metadata.get("tags", ()))) for tag in touched
        )


@dataclass(frozen=True)
class AskReview(Step[Group, tuple[Ruling, ...]]):
    """Asks a model which of a group go (DELETE), and which become one and what that says (MERGE), by their numbers. One call.

    Source: TiM (Liu et al. 2023), section 3.4: one question to forget, one to merge; CAIM (2025): one for both.
    Without a model: outright changes and repeats, by rules (`RuleReview`).
    """

    asks: ClassVar[tuple[str, ...]] = ("reconcile",)

    acts: tuple[Act, ...]
    prompt: Prompt

    def __post_init__(self) -> None:
        _require_acts("AskReview", self.acts)

    def __call__(self, value: Group, run: Run) -> tuple[Ruling, ...]:
        """Asks.

        Raises:
            ModelError: the model failed, or twice gave what are no rulings.
        """
        answer = run.chat.ask(
            Ask("reconcile", self.prompt, {"memories": numbered(value.engrams)}, self._schema())
        )
        made = []
        for told in (answer.value or {})["changes"]:
            text = " ".join(str(told.get("text") or "").split())
            merging = told["operation"] == "MERGE"
            if text or not merging:
                made.append(Ruling(tuple(n - 1 for n in told["numbers"]), text if merging else ""))
        return tuple(made)

    def without_model(self) -> Step[Group, tuple[Ruling, ...]]:
        """The counterpart that asks no model."""
        return RuleReview(acts=self.acts)

    def _schema(self) -> Mapping[str, Any]:
        properties: dict[str, Any] = {
            "operation": {"type": "string", "enum": list(self.acts)},
            "numbers": {"type": "array", "items": {"type": "integer", "minimum": 1}},
        }
        if "MERGE" in self.acts:
            properties["text"] = {"type": "string"}
        one = {"type": "object", "properties": properties, "required": ["operation", "numbers"]}
        return {
            "type": "object",
            "properties": {"changes": {"type": "array", "items": one}},
            "required": ["changes"],
        }


@dataclass(frozen=True)
class RuleReview(Step[Group, tuple[Ruling, ...]]):
    """What a later sentence ends outright goes (DELETE); what is said word for word again becomes one (MERGE).

    In place of a model: nothing is said in other words, and what is merely needless stays.
    """

    acts: tuple[Act, ...]

    def __post_init__(self) -> None:
        _require_acts("RuleReview", self.acts)

    def __call__(self, value: Group, run: Run) -> tuple[Ruling, ...]:
        """Judges."""
        made: list[Ruling] = []
        if "DELETE" in self.acts:
            for later, new in enumerate(value.engrams):
                facts = [f for s in sentences(new.content) if (f := read_fact(s)) is not None]
                if not facts:  # most sentences: nothing need be held against them
                    continue
                for earlier, old in enumerate(value.engrams[:later]):
                    if old.speaker != new.speaker:
                        continue
                    ended = next((d for f in facts if (d := decide(f, new, old)) is not None), None)
                    if ended is not None:
                        made.append(Ruling((earlier,), why=ended.reason))
        if "MERGE" in self.acts:
            said: dict[tuple[str, str | None], list[int]] = {}
            for n, engram in enumerate(value.engrams):
                said.setdefault((plain(engram.content), engram.speaker), []).append(n)
            made += [
                Ruling(tuple(same), value.engrams[same[0]].content, "said again")
                for same in said.values()
                if len(same) > 1
            ]
        return tuple(made)


def _require_acts(step: str, given: Sequence[str]) -> None:
    if not given or not set(given) <= {"DELETE", "MERGE"}:
        raise BadSetting(f"{step}.acts", given, "'DELETE', 'MERGE' or both")
