"""Feedback: what a person or agent made of the hits is journalled, and moves the scorer of the namespace.

The journal holds all that learning needs: each verdict is an event about one engram, with the question, the shares of the
signals that engram had, and those of the hits shown beside it. The scorer is derived from these events in their order; a new
version rests on the version before it and on the events of one call. A recipe whose reranker learns maps of vectors has a
scorer of its own, which says up to which verdict they have learnt; its events hold what that takes (`recall.residual`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from engrams.errors import BadSetting, Busy, NeedsExtra, NotFound, UsageError
from engrams.lifecycle.admitting import guarded
from engrams.lifecycle.embedding import require_embedder
from engrams.lifecycle.opening import House
from engrams.ports import Commit, Entry, Revised, Where
from engrams.recall.learnt import SHARE, WRITER, Learnt, Rerank, Verdict, factors_of, scorer_id
from engrams.recall.residual import RerankResidual, is_lesson, lesson, maps_id
from engrams.recall.utility import WeighUtility
from engrams.recall.weigh import WeighUse
from engrams.recipe import Recipe
from engrams.records import (
    SCORER,
    Derived,
    Engram,
    EngramId,
    Event,
    Hit,
    Json,
    Message,
    Query,
    Receipt,
    Scope,
    Scored,
    new_event_id,
)
from engrams.step import walk

#: The key in the metadata of a verdict that is only counted.
COUNTED = "counted"
#: How deep a hit may lie to be marked: what nobody looked through was not found by this question.
DEEPEST = 1000
#: Digits of a share in the journal: far below what any verdict moves.
DIGITS = 4
#: How often a scorer is learnt anew on what somebody else taught it meanwhile.
ATTEMPTS = 5
#: Feedback events read at once.
PAGE = 1000
#: What the index keeps of a scorer: nothing, since nobody looks for it.
UNINDEXED = Entry(0, np.empty(0, np.uint32), np.empty(0, np.uint8), np.empty(0, np.uint16))

Marks = str | Hit | Iterable[str | Hit]


def feedback(house: House, asked: Query, cited: Marks, chosen: Marks, wrong: Marks) -> Receipt:
    """Journals verdicts on hits of a question and learns from them: the work behind `Memory.feedback`.

    Raises:
        UsageError: no verdict, two on one hit, or a recipe that does not learn.
        NotFound: an id that is not among what this question finds. Nothing was written.
    """
    by_maps = _maps_of(house.recipe)
    if by_maps is None and learner_of(house.recipe) is None and not _counts(house.recipe):
        raise UsageError(
            f"the recipe {house.recipe.name!r} does not learn from feedback; open the memory with one that has a step "
            "Rerank, such as 'engrams', RerankResidual, such as 'rmm', WeighUtility, such as 'metrag', or WeighUse, "
            "such as 'mark'"
        )
    marks = _marks(cited=cited, chosen=chosen, wrong=wrong)
    if not marks:
        raise UsageError("feedback: give the ids of hits as cited, chosen or wrong")
    require_embedder(house)
    text = asked.text if house.guard == "off" else guarded(house.guard, Message("user", asked.text)).content
    found, verdicts = _look_up(house, asked, marks, 0 if by_maps is None else by_maps.among)
    shown = found[: asked.limit]
    now = house.now(asked.scope.namespace)
    events = []
    for scored, verdict in verdicts:
        if by_maps is not None:
            told = _compared(house, text, scored, verdict, shown, found[: by_maps.among], verdicts)
        elif learner_of(house.recipe) is not None:
            told = _shares(scored, verdict, shown, verdicts)
        else:
            told = {"verdict": verdict, COUNTED: True}
        events.append(
            Event(
                id=new_event_id(),
                namespace=asked.scope.namespace,
                content=text,
                role="system",
                occurred_at=now,
                recorded_at=now,
                kind="feedback",
                session=scored.item.session,
                agent_id=scored.item.agent_id,
                run_id=scored.item.run_id,
                metadata=told,
                target=scored.item.id,
            )
        )
    return keep(house, events)


def keep(house: House, events: Sequence[Event]) -> Receipt:
    """Journals feedback events of one namespace and one learner together with the scorer that follows from them.

    Verdicts that are only counted make no scorer: the steps that count them look them up.
    """
    if COUNTED in events[0].metadata:
        return _journalled(house, events)
    id = _scorer_of(events[0])
    for attempt in range(1, ATTEMPTS + 1):
        standing = _standing(house, id)
        told = _told_by(house, events, standing.metadata if standing else {})
        try:
            return _commit(house, id, standing, told, events, journalled=tuple(events))
        except (Busy, UsageError):
            after = _standing(house, id)
            if attempt == ATTEMPTS or (after and after.version) == (standing and standing.version):
                raise
    raise AssertionError("unreachable")


def relearn(house: House, namespace: str) -> bool:
    """Derives a namespace's scorers from all feedback in the journal; whether one says something else than before."""
    events: list[Event] = []
    after = 0
    while found := house.store.journal(
        Scope(namespace), Where(), kinds=("feedback",), after=after, limit=PAGE
    ):
        events += [event for _, event in found if COUNTED not in event.metadata]
        after = found[-1][0]
    changed = False
    for id in (scorer_id(namespace), maps_id(namespace)):
        mine = [event for event in events if _scorer_of(event) == id]
        standing = _standing(house, id)
        told = _told_by(house, mine, {}) if mine else {}
        if mine and (standing is None or told != dict(standing.metadata)):
            _commit(house, id, standing, told, mine, journalled=())
            changed = True
    return changed


def taught(house: House, namespace: str) -> bool:
    """Whether a namespace has a scorer."""
    return any(_standing(house, id) is not None for id in (scorer_id(namespace), maps_id(namespace)))


def learner_of(recipe: Recipe) -> Learnt | None:
    """How a recipe learns the weights of signals from feedback; None where it does not."""
    return next((step.by for _, step in walk(recipe.read) if isinstance(step, Rerank)), None)


def _counts(recipe: Recipe) -> bool:
    """Whether a recipe counts the verdicts on each memory by themselves."""
    return any(isinstance(step, WeighUse) and step.feedback > 0 for _, step in walk(recipe.read))


def _maps_of(recipe: Recipe) -> RerankResidual | WeighUtility | None:
    """The step of a recipe that learns maps of vectors from feedback; None where there is none."""
    by_maps = (RerankResidual, WeighUtility)
    return next((step for _, step in walk(recipe.read) if isinstance(step, by_maps)), None)


def _scorer_of(event: Event) -> EngramId:
    return (maps_id if is_lesson(event) else scorer_id)(event.namespace)


def _told_by(house: House, events: Sequence[Event], before: Mapping[str, Json]) -> dict[str, Json]:
    """What a scorer says after some events (at least one) of its own, on top of what it said before."""
    if is_lesson(events[0]):
        return {"verdicts": int(before.get("verdicts", 0)) + len(events), "last": events[-1].id}
    return {"factors": _learnt(house, factors_of(before), events)}


def _shares(
    scored: Scored[Engram],
    verdict: Verdict,
    shown: Sequence[Scored[Engram]],
    verdicts: Sequence[tuple[Scored[Engram], Verdict]],
) -> dict[str, Json]:
    """What the journal keeps for weights of signals: the shares of the hit and of those beside it."""
    alike = ("wrong",) if verdict == "wrong" else ("cited", "chosen")
    same = {s.item.id for s, v in verdicts if v in alike}
    names = sorted(name for name in scored.parts if name != SHARE)
    return {
        "verdict": verdict,
        "signals": names,
        "shares": _row(scored, names),
        "beside": [_row(s, names) for s in shown if s.item.id not in same],
    }


def _compared(
    house: House,
    text: str,
    scored: Scored[Engram],
    verdict: Verdict,
    shown: Sequence[Scored[Engram]],
    among: Sequence[Scored[Engram]],
    verdicts: Sequence[tuple[Scored[Engram], Verdict]],
) -> dict[str, Json]:
    """What the journal keeps for maps of vectors: what was compared, and what an answer that cited something passed over."""
    if house.embedder is None:
        raise NeedsExtra("learning from feedback on vectors", "embed")
    marked = {s.item.id for s, _ in verdicts}
    good = sum(v != "wrong" for _, v in verdicts)
    passed = [] if verdict == "wrong" else [s.item.id for s in shown if s.item.id not in marked]
    ids = dict.fromkeys([*(s.item.id for s in among), scored.item.id])
    vector = house.embedder.embed([text])[0]
    return lesson(verdict, list(ids), passed, max(good, 1), vector, house.embedder.fingerprint)


def _learnt(house: House, factors: Mapping[str, float], events: Iterable[Event]) -> dict[str, float]:
    learner = learner_of(house.recipe) or Learnt()
    held = dict(factors)
    for event in events:
        names, beside = event.metadata["signals"], event.metadata["beside"]
        hit = dict(zip(names, event.metadata["shares"], strict=True))
        others = [dict(zip(names, row, strict=True)) for row in beside]
        held = learner.moved(held, hit, others, event.metadata["verdict"])
    return held


def _journalled(house: House, events: Sequence[Event]) -> Receipt:
    return house.store.commit(
        Commit(
            receipt=Receipt(events[0].namespace, tuple(e.id for e in events)),
            actor=house.actor,
            action="feedback",
            recorded_at=events[-1].recorded_at,
            events=tuple(events),
            writer=house.recipe.writer,
        )
    )


def _commit(
    house: House,
    id: EngramId,
    standing: Engram | None,
    told: Mapping[str, Json],
    events: Sequence[Event],
    *,
    journalled: tuple[Event, ...],
) -> Receipt:
    at, sources, namespace = events[-1].recorded_at, tuple(e.id for e in events), events[0].namespace
    scorer = Engram(
        id=id,
        namespace=namespace,
        recipe=WRITER,
        kind=SCORER,
        content=_told(told),
        occurred_at=at,
        recorded_at=at,
        sources=sources,
        metadata=told,
    )
    new: tuple[tuple[Engram, Entry], ...] = ()
    revised: tuple[Revised, ...] = ()
    if standing is None:
        new = ((scorer, UNINDEXED),)
    else:
        scorer = replace(scorer, version=standing.version + 1, state=standing.state, pinned=standing.pinned)
        reason = "feedback" if journalled else "learnt anew"
        revised = (Revised(scorer, UNINDEXED, "UPDATE", reason, sources[-1]),)
    return house.store.commit(
        Commit(
            receipt=Receipt(
                namespace,
                tuple(e.id for e in journalled),
                (Derived(scorer.id, SCORER, "UPDATE" if standing else "ADD", sources),),
            ),
            actor=house.actor,
            action="feedback" if journalled else "learn",
            recorded_at=at,
            events=journalled,
            engrams=new,
            revised=revised,
            writer=house.recipe.writer,
        )
    )


def _standing(house: House, id: EngramId) -> Engram | None:
    return house.store.engrams([id]).get(id)


def _marks(**given: Marks) -> dict[str, Verdict]:
    """The verdict on each id.

    Raises:
        BadSetting: something that is no id and no hit.
        UsageError: two verdicts on one id.
    """
    found: dict[str, Verdict] = {}
    for verdict, held in given.items():
        several: object = [held] if isinstance(held, str | Hit) else held
        if not isinstance(several, Iterable):
            raise BadSetting(verdict, held, "ids or hits, in a list")
        for mark in several:
            id = mark.id if isinstance(mark, Hit) else mark
            if not isinstance(id, str):
                raise BadSetting(verdict, mark, "the id of a hit, engram or event as text, or a hit")
            if found.get(id, verdict) != verdict:
                raise UsageError(
                    f"feedback: {id} is given as {found[id]} and as {verdict}; it is one of them"
                )
            found[id] = verdict  # type: ignore[assignment]
    return found


def _look_up(
    house: House, asked: Query, marks: Mapping[str, Verdict], least: int = 0
) -> tuple[list[Scored[Engram]], list[tuple[Scored[Engram], Verdict]]]:
    """The best hits (at least `least`, where there are), and those that were marked, in the order of the ranking."""
    assert asked.limit is not None
    first = max(asked.limit, least)
    for depth in (first, max(DEEPEST, first)):
        ranked = house.recipe.ranking()(replace(asked, limit=depth), house.run("read", asked.scope))
        # Where several hits rest on one event, its id means the best of them.
        at = {name: s for s in reversed(ranked.items) for name in (*s.item.event_ids, s.item.id)}
        missing = [id for id in marks if id not in at]
        if not missing:
            break
    else:
        raise NotFound(
            f"{missing[0]} is not among the first {depth:,} hits of this question in {asked.scope.namespace}; give ids "
            "that a search with the same question and scopes has found"
        )
    verdicts: dict[str, Verdict] = {}
    for id, verdict in marks.items():
        held = at[id].item.id
        if verdicts.get(held, verdict) != verdict:
            raise UsageError(
                f"feedback: {held} is given as {verdicts[held]} and as {verdict}; it is one of them"
            )
        verdicts[held] = verdict
    return list(ranked.items[:first]), [
        (s, verdicts[s.item.id]) for s in ranked.items if s.item.id in verdicts
    ]


def _told(told: Mapping[str, Json]) -> str:
    """What a scorer says, as a person reads it in `history`: the factors that moved, or how many verdicts count."""
    if "verdicts" in told:
        return f"two maps of vectors, learnt from {told['verdicts']} verdicts"
    factors: Mapping[str, float] = told["factors"]
    moved = [
        f"{name} ×{factor:.3f}" for name, factor in sorted(factors.items()) if f"{factor:.3f}" != "1.000"
    ]
    return ", ".join(moved) or "every signal as before"


def _row(scored: Scored[Engram], names: Sequence[str]) -> list[float]:
    return [round(scored.parts.get(name, 0.0), DIGITS) for name in names]
