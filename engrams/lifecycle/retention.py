"""Rules of a namespace: how long and how much is kept (retention), and how much may be written (quota).

A rule is a setting of the store under a path (`acme/alice`, or `acme/*` for each namespace below). Age counts from when
something was recorded, so that an import of an old chat is not forgotten at once. What is pinned is never forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from engrams.errors import BadSetting, OverBudget
from engrams.lifecycle.opening import House
from engrams.lifecycle.scopes import Scopes, resolve
from engrams.lifecycle.telling import tell_erased
from engrams.ports import Where
from engrams.records import Deletion, EngramId, Event, EventId, Message, Scope

PREFIX = "rule:"
#: Events looked at, and erased, at a time.
AT_ONCE = 500
#: The longest age and largest count a rule may name: about 274 years; a million million.
MOST_DAYS, MOST_COUNT = 100_000, 10**12

_ALL = Where(states=("active", "archived", "superseded"))


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for one path; None: no limit.

    `max_age_days` and `max_events` are kept by `apply` (oldest go first); `quota_events` and `quota_bytes` (UTF-8 bytes of
    messages) are asked at every write. Each namespace under a pattern has the limits for itself.
    """

    namespace: str
    max_age_days: float | None = None
    max_events: int | None = None
    quota_events: int | None = None
    quota_bytes: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it limits nothing."""
        return all(v is None for k, v in asdict(self).items() if k != "namespace")


def set_rule(house: House, rule: Rule) -> Rule:
    """Keeps a rule in place of the one of its path; one that limits nothing takes it away.

    Raises:
        BadSetting: no such path, or a limit out of range.
    """
    path = resolve(Scopes(rule.namespace), writing=False).namespace
    if rule.max_age_days is not None and not 0 <= _number("max_age_days", rule.max_age_days) <= MOST_DAYS:
        raise BadSetting("max_age_days", rule.max_age_days, f"days from 0 to {MOST_DAYS:,}")
    for key in ("max_events", "quota_events", "quota_bytes"):
        value = getattr(rule, key)
        if value is not None and (type(value) is not int or not 0 <= value <= MOST_COUNT):
            raise BadSetting(key, value, f"a whole number from 0 to {MOST_COUNT:,}")
    values = {} if rule.is_empty else {k: v for k, v in asdict(rule).items() if v is not None}
    house.store.set_setting(PREFIX + path, json.dumps(values))
    return rule


def rules(house: House) -> list[Rule]:
    """Every rule, by path."""
    found = (json.loads(value) for value in house.store.settings(PREFIX).values())
    return [Rule(**values) for values in found if values]


def apply(house: House) -> Deletion:
    """Erases what the rules no longer keep; what is pinned, or supports something pinned, stays."""
    events: list[EventId] = []
    engrams: list[EngramId] = []
    links, state = 0, "done"
    for rule in rules(house):
        for namespace in house.store.namespaces():
            if not Scope(rule.namespace).covers(namespace):
                continue
            doomed = _outlived(house, rule, namespace)
            for start in range(0, len(doomed), AT_ONCE):
                # What an earlier batch took with it is not asked for again.
                batch = list(house.store.events(doomed[start : start + AT_ONCE]))
                if not batch:
                    continue
                done = house.store.erase(
                    Scope(namespace),
                    [EventId(id) for id in batch],
                    actor=house.actor,
                    at=house.clock.now(),
                    reason="retention",
                )
                tell_erased(namespace, done)
                events += done.events
                engrams += done.engrams
                links += done.links
                state = "pending" if done.state == "pending" else state
    house.counted.clear()
    return Deletion(tuple(events), tuple(engrams), links, state="pending" if state == "pending" else "done")


def require_room(house: House, scope: Scope, messages: Sequence[Message]) -> None:
    """The namespace may take these messages.

    Raises:
        OverBudget: a quota would be passed; nothing was written.
    """
    here = [rule for rule in rules(house) if Scope(rule.namespace).covers(scope.namespace)]
    new = len(messages), sum(len(m.content.encode("utf-8", "surrogatepass")) for m in messages)
    for rule in here:
        for at, limit, what in ((0, rule.quota_events, "messages"), (1, rule.quota_bytes, "bytes")):
            if limit is None or _used(house, scope.namespace)[at] + new[at] <= limit:
                continue
            house.counted.pop(
                scope.namespace, None
            )  # something may have been erased: count again before refusing
            spent = _used(house, scope.namespace)[at] + new[at]
            if spent > limit:
                mend = f"erase what is not needed (engrams delete), or raise it: engrams retention set {rule.namespace!r}"
                raise OverBudget(f"quota of {what} in {scope.namespace} ({mend})", limit, spent)


def most_bytes(house: House, scope: Scope) -> int | None:
    """How many bytes more the quotas leave to payloads in a namespace, beside its messages and payloads; None: no quota."""
    here = [
        r for r in rules(house) if Scope(r.namespace).covers(scope.namespace) and r.quota_bytes is not None
    ]
    if not here:
        return None
    house.counted.pop(scope.namespace, None)  # something may have been erased
    taken = sum(blob.bytes for blob in house.store.payloads.list(scope.namespace))
    limit = min(r.quota_bytes for r in here if r.quota_bytes is not None)
    return max(limit - taken - _used(house, scope.namespace)[1], 0)


def _used(house: House, namespace: str) -> tuple[int, int]:
    """(messages, their bytes) in a namespace, counted on from where the last count stopped."""
    after, count, size = house.counted.get(namespace, (0, 0, 0))
    for number, event in _journal(house, namespace, after):
        after, count = number, count + 1
        size += len(event.content.encode("utf-8", "surrogatepass"))
    house.counted[namespace] = (after, count, size)
    return count, size


def _outlived(house: House, rule: Rule, namespace: str) -> list[EventId]:
    told = [(event.id, event.recorded_at) for _, event in _journal(house, namespace, 0)]
    over = 0 if rule.max_events is None else max(len(told) - rule.max_events, 0)
    oldest = None
    if rule.max_age_days is not None:
        oldest = house.clock.now() - timedelta(days=rule.max_age_days)
    ids = [id for at, (id, when) in enumerate(told) if at < over or (oldest is not None and when < oldest)]
    kept: set[str] = set()
    for start in range(0, len(ids), AT_ONCE):
        kept |= _pinned(house, ids[start : start + AT_ONCE])
    return [id for id in ids if id not in kept]


def _pinned(house: House, ids: Sequence[EventId]) -> set[str]:
    """Those of the events that are pinned, or that something pinned rests on."""
    kept: set[str] = set()
    for id, notes in house.store.about(ids).items():
        last = [note.kind for note in notes if note.kind in ("pin", "unpin")][-1:]
        if last == ["pin"]:
            kept.add(id)
    asked: Sequence[str] = ids
    seen: set[str] = set()
    while asked := [id for id in house.store.derived_from(asked) if id not in seen]:
        seen.update(asked)
        for engram in house.store.engrams(asked).values():
            if engram.pinned:
                kept |= _events_below(house, engram.sources)
    return kept


def _events_below(house: House, sources: Sequence[str]) -> set[str]:
    """The events that sources are or rest on."""
    found: set[str] = set()
    asked, seen = list(sources), set(sources)
    while asked:
        found.update(asked)
        asked = [s for e in house.store.engrams(asked).values() for s in e.sources if s not in seen]
        seen.update(asked)
    return found


def _journal(house: House, namespace: str, after: int) -> Iterator[tuple[int, Event]]:
    while True:
        found = house.store.journal(Scope(namespace), _ALL, kinds=("message",), after=after, limit=AT_ONCE)
        yield from found
        if len(found) < AT_ONCE:
            return
        after = found[-1][0]


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadSetting(key, value, "a number")
    return float(value)
