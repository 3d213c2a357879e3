"""What is let in: what asks not to be remembered stays out, secrets are masked or refused, quotas hold; and what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engrams import Memory
from engrams.errors import BadSetting, OverBudget, UsageError

CARD = "my card is 4111 1111 1111 1111"


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = datetime(2024, 5, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def memory(place: str, clock: Hand) -> Iterator[Memory]:
    with Memory.open(place, clock=clock) as opened:
        yield opened


def told(memory: Memory, **scope: str) -> list[str]:
    return [e.content for e in memory.log(**scope) if e.kind == "message"]


# --- do not remember this


def test_a_turn_that_asks_not_to_be_remembered_is_not_journalled(memory: Memory) -> None:
    receipt = memory.add(
        [
            {"role": "user", "content": "remember the blue pot"},
            {"role": "user", "content": "forget zyzzyva", "metadata": {"remember": False}},
        ]
    )
    assert (len(receipt.event_ids), receipt.withheld) == (1, 1)
    assert told(memory) == ["remember the blue pot"]
    assert memory.search("zyzzyva") == [] or "zyzzyva" not in memory.search("zyzzyva")[0].text
    nothing = memory.add("not this", metadata={"remember": False})
    assert (nothing.event_ids, nothing.engram_ids, nothing.withheld) == ((), (), 1)
    assert memory.stats().events == 1
    kept = memory.add(
        {"role": "user", "content": "but this", "metadata": {"remember": True}}, metadata={"remember": False}
    )
    assert len(kept.event_ids) == 1
    assert memory.add_many([{"role": "user", "content": "nor this", "metadata": {"remember": False}}]) == 0


# --- the guard


def test_the_guard_is_off_by_default(memory: Memory) -> None:
    memory.add(CARD)
    assert told(memory) == [CARD]


def test_masked_text_is_all_that_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGRAMS_GUARD", "mask")
    with Memory.open(tmp_path / "m.db") as memory:
        receipt = memory.add(CARD)
        memory.update(receipt.event_ids[0], "now ada@example.org")
        memory.add_many([CARD])
        assert memory.get(receipt.event_ids[0]).content == "now [e-mail]"
        assert told(memory) == ["my card is [card]"] * 2
    held = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert b"4111" not in held
    assert b"ada@" not in held


def test_a_refused_write_leaves_nothing_and_does_not_repeat_the_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENGRAMS_GUARD", "refuse")
    with Memory.open(":memory:") as memory:
        with pytest.raises(UsageError, match="message 2 holds what looks like card") as refused:
            memory.add(["fine", CARD])
        assert "4111" not in str(refused.value)
        assert memory.stats().events == 0


def test_a_guard_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGRAMS_GUARD", "sometimes")
    with pytest.raises(BadSetting, match="'off' or 'mask' or 'refuse'"):
        Memory.open(":memory:")


# --- quotas and retention


def test_a_quota_refuses_the_write_that_would_pass_it(memory: Memory) -> None:
    memory.retain("acme/*", quota_events=3, quota_bytes=20)
    first = memory.add(["aaaa", "bbbb"], namespace="acme/ann")
    with pytest.raises(
        OverBudget, match=r"quota of messages in acme/ann.*the limit is 3, 4 would be spent"
    ) as over:
        memory.add(["c", "d"], namespace="acme/ann")
    assert (over.value.limit, over.value.spent) == (3, 4)
    with pytest.raises(OverBudget, match="quota of bytes"):
        memory.add("é" * 7, namespace="acme/ann")  # 8 + 14 bytes
    memory.add("é" * 6, namespace="acme/ann")
    memory.add("each namespace is counted"[:20], namespace="acme/bob")
    memory.add("others have none " * 9, namespace="else")
    memory.delete(first.event_ids[0])  # room again
    memory.add("x", namespace="acme/ann")
    memory.retain("acme/*")
    assert memory.rules() == []
    memory.add("y" * 100, namespace="acme/ann")


def test_a_repeated_call_over_the_quota_gives_the_first_receipt(memory: Memory) -> None:
    memory.retain("ann", quota_events=2)
    secret = {"role": "user", "content": "and not this", "metadata": {"remember": False}}
    first = memory.add(["one", "two", secret], user_id="ann", idempotency_key="call")
    again = memory.add(["one", "two", secret], user_id="ann", idempotency_key="call")
    assert (again.event_ids, again.repeated, again.withheld) == (first.event_ids, True, 1)
    with pytest.raises(OverBudget):
        memory.add("three", user_id="ann", idempotency_key="another")
    with pytest.raises(BadSetting, match="idempotency_key"):
        memory.add("three", user_id="ann", idempotency_key="call")
    assert told(memory, user_id="ann") == ["one", "two"]


def test_what_is_old_goes_and_what_is_pinned_stays(memory: Memory, clock: Hand) -> None:
    pinned, old, by_engram = (memory.add(f"{n} thing", user_id="ann") for n in ("pinned", "old", "kept"))
    memory.pin(pinned.event_ids[0])
    memory.pin(by_engram.engram_ids[0])
    memory.add("elsewhere", user_id="bob")
    clock.at += timedelta(days=10)
    memory.add("new thing", user_id="ann", occurred_at="2001-01-01")  # told today of long ago
    memory.retain("ann", max_age_days=7)
    gone = memory.apply_retention()
    assert gone.events == old.event_ids
    assert told(memory, user_id="ann") == ["pinned thing", "kept thing", "new thing"]
    assert told(memory, user_id="bob") == ["elsewhere"]
    assert memory.apply_retention().events == ()
    memory.unpin(pinned.event_ids[0])
    assert pinned.event_ids[0] in memory.apply_retention().events


def test_the_oldest_beyond_a_number_go(memory: Memory) -> None:
    for n in range(6):
        memory.add(f"turn {n}", namespace="acme/ann")
        memory.add(f"turn {n}", namespace="acme/bob")
    memory.retain("acme/*", max_events=4)
    assert len(memory.apply_retention().events) == 4
    for name in ("acme/ann", "acme/bob"):
        assert told(memory, namespace=name) == [f"turn {n}" for n in range(2, 6)]


@pytest.mark.parametrize(
    "limits",
    [
        {"max_age_days": -1},
        {"max_events": 1.5},
        {"quota_events": True},
        {"quota_bytes": -1},
        {"max_age_days": "x"},
    ],
)
def test_limits_out_of_range_are_refused(memory: Memory, limits: dict[str, object]) -> None:
    with pytest.raises(BadSetting):
        memory.retain("ann", **limits)  # type: ignore[arg-type]
    assert memory.rules() == []


# --- a clock that goes backwards


def test_recorded_at_never_goes_backwards(memory: Memory, clock: Hand) -> None:
    first = memory.add("first")
    then = clock.at
    clock.at -= timedelta(days=400)
    second = memory.add("second")
    fixed = memory.update(first.event_ids[0], "first, corrected")
    times = [memory.log()[n].recorded_at for n in range(3)]
    assert times == [then] * 3
    assert second.event_ids and fixed.event_ids
    clock.at = then + timedelta(hours=1)
    memory.add("third")
    assert memory.log()[3].recorded_at == clock.at
    assert [r.content for r in memory.history(first.event_ids[0])] == ["first", "first, corrected"]
    assert memory.check() == []
