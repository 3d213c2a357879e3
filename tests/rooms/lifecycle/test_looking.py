"""Looking inside: what lies around a memory, counts over time, tokens of texts, what jobs cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from engrams import Memory
from engrams.errors import BadSetting, Denied, NotFound
from engrams.lifecycle.looking import MOST_NODES, Day, Timeline


@pytest.fixture
def memory() -> Iterator[Memory]:
    with Memory.open(":memory:") as opened:
        yield opened


def test_around_a_memory_lie_its_source_its_names_and_what_else_speaks_of_them(memory: Memory) -> None:
    talk = [
        {"role": "user", "name": "Ada", "content": "We sail to Braga."},
        {"role": "user", "name": "Ben", "content": "Bring the cello."},
    ]
    said = memory.add(talk, session="monday")
    other = memory.add("A postcard from Braga.")
    found = memory.around(said.engram_ids[0])
    nodes = {n.id: (n.kind, n.label, n.held) for n in found.nodes}
    assert nodes == {
        said.engram_ids[0]: ("passage", "We sail to Braga.", 0),
        said.event_ids[0]: ("event", "We sail to Braga.", 0),
        said.engram_ids[1]: ("passage", "Bring the cello.", 0),
        "name:ada": ("name", "Ada", 1),
        "name:braga": ("name", "Braga", 2),
        other.engram_ids[0]: ("passage", "A postcard from Braga.", 0),
    }
    assert {(t.source, t.target, t.relation) for t in found.ties} == {
        (said.engram_ids[0], said.event_ids[0], "source"),
        (said.engram_ids[0], said.engram_ids[1], "next"),
        (said.engram_ids[0], "name:ada", "said by"),
        (said.engram_ids[0], "name:braga", "speaks of"),
        (other.engram_ids[0], "name:braga", "speaks of"),
    }
    assert not found.cut
    assert {n.id for n in memory.around(said.event_ids[0]).nodes} == set(nodes)


def test_a_neighbourhood_is_bounded_and_says_so(memory: Memory) -> None:
    said = memory.add("Ada, Ben and Cleo sail to Braga.")
    cut = memory.around(said.engram_ids[0], most=2)
    assert (len(cut.nodes), cut.cut) == (2, True)
    assert all({t.source, t.target} <= {n.id for n in cut.nodes} for t in cut.ties)
    with pytest.raises(BadSetting, match="most"):
        memory.around(said.engram_ids[0], most=MOST_NODES + 1)
    with pytest.raises(NotFound):
        memory.around("nothing")


def test_a_neighbourhood_stops_where_the_rights_do(memory: Memory) -> None:
    memory.add("Ben saw Braga.", namespace="other")
    said = memory.add("Ada saw Braga.", namespace="acme")
    key = memory.create_key("reader", {"acme": "read"}).secret
    assert key is not None
    held = memory.held_by(key)
    assert [n.label for n in held.around(said.engram_ids[0]).nodes].count("Ben saw Braga.") == 0
    with pytest.raises(Denied):
        held.timeline(namespace="other")


def test_a_timeline_counts_in_steps_that_people_know(memory: Memory) -> None:
    for day in ("2024-03-01", "2024-03-01", "2024-03-03"):
        memory.add(f"A note of {day}.", occurred_at=day)
    first, last = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 3, tzinfo=UTC)
    assert memory.timeline(parts=3) == Timeline(3, first, 86_400, (2, 0, 1), first, last)
    assert memory.timeline(until="2024-03-02", parts=3).counts == (2,)
    assert memory.timeline(as_of="2024-03-02", as_of_by="occurred").total == 2
    assert memory.timeline(namespace="empty") == Timeline(0)
    assert sum(memory.timeline(parts=1).counts) == 3
    with pytest.raises(BadSetting, match="parts"):
        memory.timeline(parts=0)


def test_a_timeline_holds_the_whole_span_of_years(memory: Memory) -> None:
    memory.add("Long ago.", occurred_at="0001-01-01")
    memory.add("Far ahead.", occurred_at="9999-12-31")
    found = memory.timeline(parts=60)
    assert (found.total, sum(found.counts), found.start) == (2, 2, datetime(1, 1, 1, tzinfo=UTC))


def test_tokens_are_counted_as_contexts_count_them() -> None:
    with Memory.open(":memory:", tokenizer=len) as memory:
        assert memory.count_tokens(["abc", ""]) == [3, 0]
        with pytest.raises(BadSetting, match="texts"):
            memory.count_tokens("abc")


def test_what_jobs_cost_stands_by_day(memory: Memory) -> None:
    assert memory.spent() == []
    memory.add("Something to catch up with.")
    memory.schedule("catch-up")
    memory.work()
    assert memory.spent() == [Day(datetime.now(UTC).date(), 1, 0)]
    with pytest.raises(BadSetting, match="days"):
        memory.spent(days=0)
