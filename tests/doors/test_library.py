"""The Python front door, as a user meets it: on a real file, with the house recipe."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engrams import AsyncMemory, Engram, Event, Memory, NotFound, UsageError
from engrams.errors import BadSetting, NewerSchema, UnknownFormat, UnknownName

MARCH = datetime(2024, 3, 5, 9, 0, tzinfo=UTC)


class StoppedClock:
    """Tells the time it was set to."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory.db") as opened:
        yield opened


def texts(hits: Any) -> list[str]:
    return [h.text for h in hits]


def test_a_fact_is_found_again_after_reopening(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "m.db") as memory:
        receipt = memory.add("Anna moved to Porto in May.", user_id="anna", metadata={"from": "a letter"})
        memory.add("The boiler was repaired by Mr Silva.", user_id="anna")
    with Memory.open(tmp_path / "m.db") as memory:
        hit = memory.search("Where did Anna move?", user_id="anna", k=1)[0]
    assert hit.text == "Anna moved to Porto in May."
    assert hit.event_ids == receipt.event_ids
    assert hit.id in receipt.engram_ids
    assert hit.metadata == {"from": "a letter"}
    assert hit.namespace == "anna"


def test_messages_in_the_openai_form_keep_who_when_and_order(memory: Memory) -> None:
    receipt = memory.add(
        [
            {
                "role": "user",
                "name": "Anna",
                "content": "Which dentist was it?",
                "timestamp": "2024-03-05T09:00:00Z",
            },
            {"role": "assistant", "content": [{"type": "text", "text": "Doctor Matos, on Rua Nova."}]},
        ],
        session="s1",
        occurred_at=MARCH + timedelta(minutes=1),
    )
    first, second = (memory.get(i) for i in receipt.event_ids)
    assert isinstance(first, Event)
    assert (first.speaker, first.role, first.occurred_at, first.session) == ("Anna", "user", MARCH, "s1")
    assert (second.role, second.text) == ("assistant", "Doctor Matos, on Rua Nova.")
    assert second.occurred_at == MARCH + timedelta(minutes=1)
    assert [d.kind for d in receipt.derived] == ["passage", "passage"]
    assert [e.content for e in memory.log()] == ["Which dentist was it?", "Doctor Matos, on Rua Nova."]


def test_the_callers_time_stands_beside_the_time_of_recording(tmp_path: Path) -> None:
    clock = StoppedClock(datetime(2025, 1, 1, tzinfo=UTC))
    with Memory.open(tmp_path / "m.db", clock=clock) as memory:
        event = memory.get(
            memory.add("The lease was signed.", occurred_at="2024-03-05T10:00+01:00").event_ids[0]
        )
    assert (event.occurred_at, event.recorded_at) == (MARCH, clock.at)


def test_scopes_are_apart(memory: Memory) -> None:
    memory.add("The code of the door is 4711.", namespace="acme", user_id="alice")
    memory.add("The code of the door is 0815.", namespace="acme", user_id="bob")
    memory.add("The code of the door is 9999.", namespace="acmex")
    assert texts(memory.search("code of the door", namespace="acme/alice")) == [
        "The code of the door is 4711."
    ]
    assert texts(memory.search("code of the door", namespace="acme", user_id="bob")) == [
        "The code of the door is 0815."
    ]
    assert len(memory.search("code of the door", namespace="acme/*")) == 2
    assert memory.search("code of the door", namespace="acme") == []
    assert memory.search("code of the door") == []
    assert memory.context("code of the door").found is False


@pytest.mark.parametrize("field", ["agent_id", "run_id", "session"])
def test_indexed_fields_filter_where_given(memory: Memory, field: str) -> None:
    one: dict[str, Any] = {field: "one"}
    memory.add("Tea is in the left cupboard.", **one)
    memory.add("Tea is in the right cupboard.", **{field: "two"})
    assert texts(memory.search("tea cupboard", **one)) == ["Tea is in the left cupboard."]
    assert len(memory.search("tea cupboard")) == 2
    assert [e.text for e in memory.get_all(**one)] == ["Tea is in the left cupboard."]
    assert len(memory.delete_all(**one).events) == 1
    assert texts(memory.search("tea cupboard")) == ["Tea is in the right cupboard."]


def test_filters_and_times_bound_what_is_found(memory: Memory) -> None:
    for month, place in enumerate(["Faro", "Braga", "Evora"], start=1):
        memory.add(
            f"Trip to {place} by train.",
            occurred_at=f"2024-0{month}-10",
            metadata={"place": place, "cost": 10 * month},
        )
    assert texts(memory.search("trip by train", filters={"place": "Braga"})) == ["Trip to Braga by train."]
    assert len(memory.search("trip by train", filters={"cost": {"gte": 20}})) == 2
    assert texts(memory.search("trip by train", filters={"NOT": {"cost": {"gt": 10}}})) == [
        "Trip to Faro by train."
    ]
    assert texts(memory.search("trip by train", since="2024-02-01", until="2024-02-10")) == [
        "Trip to Braga by train."
    ]
    with pytest.raises(UsageError, match="gte"):
        memory.search("trip", filters={"cost": {"atleast": 3}})


def test_an_update_is_a_new_version_and_the_past_can_be_asked(tmp_path: Path) -> None:
    clock = StoppedClock(MARCH)
    with Memory.open(tmp_path / "m.db", clock=clock) as memory:
        receipt = memory.add("Ben works at the harbour.", user_id="ben", occurred_at=MARCH)
        clock.at = MARCH + timedelta(days=30)
        memory.update(receipt.event_ids[0], "Ben works at the airport.", reason="he changed jobs")
        assert texts(memory.search("Where does Ben work?", user_id="ben")) == ["Ben works at the airport."]
        assert texts(memory.search("Where does Ben work?", user_id="ben", as_of="2024-03-10")) == [
            "Ben works at the harbour."
        ]
        assert memory.get(receipt.event_ids[0]).text == "Ben works at the airport."
        versions = memory.history(receipt.event_ids[0])
        assert [(v.change, v.content, v.version) for v in versions] == [
            ("ADD", "Ben works at the harbour.", 1),
            ("UPDATE", "Ben works at the airport.", 2),
        ]
        assert (versions[1].reason, versions[1].at, versions[1].actor) == (
            "he changed jobs",
            clock.at,
            "library",
        )
        assert versions[1].event_id is not None
        assert [e.kind for e in memory.log(user_id="ben")] == ["message", "correction"]


def test_deleting_an_event_erases_it_and_deleting_an_engram_rejects_it(memory: Memory) -> None:
    kept = memory.add("The key lies under the mat.")
    gone = memory.add("The safe opens with 12-34-56.")
    deletion = memory.delete(gone.event_ids[0])
    assert (deletion.events, set(deletion.engrams)) == (gone.event_ids, set(gone.engram_ids))
    with pytest.raises(NotFound):
        memory.get(gone.event_ids[0])
    with pytest.raises(NotFound):
        memory.get(gone.engram_ids[0])
    memory.delete(kept.engram_ids[0])
    assert memory.search("key under the mat") == []
    assert memory.get(kept.event_ids[0]).text == "The key lies under the mat."
    assert [v.change for v in memory.history(kept.engram_ids[0])] == ["ADD", "DELETE"]


def test_an_update_of_metadata_alone_keeps_the_text(memory: Memory) -> None:
    receipt = memory.add("Rent is due on the first.", metadata={"a": 1})
    memory.update(receipt.engram_ids[0], metadata={"b": [1, {"c": None}]})
    engram = memory.get(receipt.engram_ids[0])
    assert isinstance(engram, Engram)
    assert (engram.text, engram.metadata, engram.version) == (
        "Rent is due on the first.",
        {"b": [1, {"c": None}]},
        2,
    )


def test_a_long_text_that_is_shortened_by_an_update_leaves_nothing_behind(memory: Memory) -> None:
    long = "\n\n".join(f"Chapter {i}: the lighthouse keeper number {i} counts ships. " * 30 for i in range(5))
    receipt = memory.add(long)
    assert len(receipt.derived) > 1
    memory.update(receipt.event_ids[0], "A book about gardens.")
    assert memory.search("lighthouse keeper counts ships", k=50)[0].text == "A book about gardens."
    assert [e.text for e in memory.get_all()] == ["A book about gardens."]


def test_a_turn_without_words_is_kept_among_others_and_derives_nothing(memory: Memory) -> None:
    receipt = memory.add(
        [{"role": "user", "content": "Is it raining?"}, {"role": "assistant", "content": ""}]
    )
    assert (len(receipt.event_ids), len(receipt.derived)) == (2, 1)
    assert [e.content for e in memory.log()] == ["Is it raining?", ""]
    assert memory.add_many([{"role": "user", "content": " "}, "The roof leaks."]) == 2
    assert len(memory.search("roof", k=10)) == 2
    with pytest.raises(UsageError, match="messages"):
        memory.add([{"role": "user", "content": ""}, {"role": "user", "content": " "}])


def test_a_hit_per_event(memory: Memory) -> None:
    long = "\n\n".join(f"Paragraph {i}. The walnut tree was planted by Olga. " * 40 for i in range(4))
    memory.add(long)
    memory.add("The walnut tree was cut down.")
    hits = memory.search("walnut tree", k=10)
    assert len(hits) == 2
    assert len({h.event_ids for h in hits}) == 2


def test_an_idempotency_key_makes_a_repeated_add_harmless(memory: Memory) -> None:
    first = memory.add("Paid the plumber 80 euro.", user_id="u", idempotency_key="k1")
    again = memory.add("Paid the plumber 80 euro.", user_id="u", idempotency_key="k1")
    assert again.repeated
    assert (again.event_ids, again.derived) == (first.event_ids, first.derived)
    assert memory.stats(user_id="u").events == 1
    assert not memory.add("Paid the plumber 80 euro.", user_id="v", idempotency_key="k1").repeated
    with pytest.raises(BadSetting, match="idempotency"):
        memory.add("Something else.", user_id="u", idempotency_key="k1")


def test_pins_are_shown_and_taken_back(memory: Memory) -> None:
    receipt = memory.add("Allergic to penicillin.")
    memory.pin(receipt.event_ids[0])
    assert memory.search("penicillin")[0].pinned
    memory.unpin(receipt.engram_ids[0])
    assert not memory.search("penicillin")[0].pinned


def test_a_context_fits_its_budget_is_cited_and_priced(memory: Memory) -> None:
    for day in range(1, 25):
        memory.add(
            [
                {
                    "role": "user",
                    "name": "Mia",
                    "content": f"On day {day} the sourdough rose for {day} hours in the oven.",
                }
            ],
            session=f"s{day}",
            occurred_at=f"2024-05-{day:02d}T08:30:00",
        )
    context = memory.context("How long did the sourdough rise?", budget=200)
    assert context.found
    assert 0 < context.price.tokens <= 200
    assert context.price.tokens_estimated
    assert context.price.model_calls == 0
    assert len(context.citations) == len(context.hits) > 3
    assert all(c.mark in context.text for c in context.citations)
    assert [c.occurred_at for c in context.citations] == sorted(c.occurred_at for c in context.citations)
    assert "2024-05-" in context.text
    assert "Mia: On day" in context.text
    assert {e for c in context.citations for e in c.event_ids} <= {e.id for e in memory.log()}


def test_a_callers_tokenizer_counts(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "m.db", tokenizer=lambda text: len(text.split())) as memory:
        memory.add("one two three four five six")
        context = memory.context("three four", budget=40)
    assert context.price.tokens == len(context.text.split())
    assert not context.price.tokens_estimated


def test_explain_gives_every_signals_share(memory: Memory) -> None:
    memory.add([{"role": "user", "name": "Anna", "content": "My sister Rosa plays the cello."}], session="a")
    memory.add([{"role": "user", "name": "Ben", "content": "The weather was fine."}], session="a")
    hit = memory.search("Which instrument does Rosa play?", explain=True)[0]
    assert hit.text == "My sister Rosa plays the cello."
    assert len(hit.signals) >= 3
    assert sum(hit.signals.values()) == pytest.approx(hit.score, abs=1e-3)
    explained = memory.explain("Which instrument does Rosa play?")
    assert explained.trace
    assert explained.hits[0].signals


def test_lists_are_paged(memory: Memory) -> None:
    for i in range(7):
        memory.add(f"note number {i}")
    seen, cursor = [], None
    while True:
        page = memory.get_all(limit=3, cursor=cursor)
        seen += [e.text for e in page]
        if page.next is None:
            break
        cursor = page.next
    assert seen == [f"note number {i}" for i in range(7)]
    assert [e.content for e in memory.log(limit=2, newest_first=True)] == ["note number 6", "note number 5"]
    with pytest.raises(BadSetting, match="cursor"):
        memory.get_all(cursor="zebra")


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda m: m.add(""), "messages"),
        (lambda m: m.add([]), "messages"),
        (lambda m: m.add(None), "messages"),
        (lambda m: m.add(42), "messages"),
        (lambda m: m.add([{"content": None, "role": "user"}]), "content"),
        (lambda m: m.add("x", occurred_at="yesterday-ish"), "occurred_at"),
        (lambda m: m.add("x", occurred_at=float("nan")), "occurred_at"),
        (lambda m: m.add("x", occurred_at=-1e20), "occurred_at"),
        (lambda m: m.add("x", metadata={"a": float("nan")}), "metadata"),
        (lambda m: m.add("x", metadata={"a": object()}), "metadata"),
        (lambda m: m.add("x", metadata=[1]), "metadata"),
        (lambda m: m.add("x", user_id=""), "user_id"),
        (lambda m: m.add("x", user_id="a/b"), "user_id"),
        (lambda m: m.add("x", user_id=3), "user_id"),
        (lambda m: m.add("x", namespace="acme/*"), "namespace"),
        (lambda m: m.add("x", namespace="a//b"), "namespace"),
        (lambda m: m.add("x", idempotency_key=""), "idempotency_key"),
        (lambda m: m.search(""), "query"),
        (lambda m: m.search("   "), "query"),
        (lambda m: m.search(None), "query"),
        (lambda m: m.search("x", k=0), "k"),
        (lambda m: m.search("x", k=-1), "k"),
        (lambda m: m.search("x", k=1.5), "k"),
        (lambda m: m.search("x", k=True), "k"),
        (lambda m: m.search("x", since="2024-02-01", until="2024-01-01"), "since"),
        (lambda m: m.search("x", user_id="*"), "user_id"),
        (lambda m: m.search("x", filters=[1]), "filters"),
        (lambda m: m.context("x", budget=0), "budget"),
        (lambda m: m.get_all(limit=0), "limit"),
        (lambda m: m.get(7), "id"),
        (lambda m: m.update(m.add("x").event_ids[0]), "update"),
    ],
)
def test_bad_input_is_named_and_nothing_is_kept(memory: Memory, call: Any, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        call(memory)
    assert all(e.content == "x" for e in memory.log())
    assert memory.check() == []


@pytest.mark.parametrize(
    "text",
    [
        "emoji 👩‍👩‍👧‍👦 and flags 🇵🇹",
        "שלום עולם مرحبا بالعالم",
        "nul \x00 inside",
        "lone \ud83d surrogate",
        "'; DROP TABLE events; --",
        'NEAR("a" b) AND * OR -c:d ^e',
        "上司的手机号是13651039007。",
        "tab\tnewline\r\nand\u2028line separator",
        " leading and trailing ",
    ],
)
def test_any_text_comes_back_as_it_was(memory: Memory, text: str) -> None:
    receipt = memory.add(text, metadata={"again": text})
    event = memory.get(receipt.event_ids[0])
    assert event.text == text
    assert event.metadata == {"again": text}
    assert memory.search(text)[0].text == text
    assert memory.context(text).found
    assert memory.check() == []


@pytest.mark.slow
def test_ten_megabytes_are_kept_whole_and_found(memory: Memory) -> None:
    text = "filler words about nothing in particular. " * 250_000 + "The parrot answers to Quetzalcoatl."
    receipt = memory.add(text)
    assert memory.get(receipt.event_ids[0]).text == text
    hit = memory.search("What does the parrot answer to?", k=1)[0]
    assert "Quetzalcoatl" in hit.text
    assert len(hit.text) < 10_000
    assert "Quetzalcoatl" in memory.context("What does the parrot answer to?", budget=300).text


def test_export_and_restore_bring_everything_back(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "a.db") as memory:
        first = memory.add(
            "Vera lives in Lyon.", user_id="vera", metadata={"n": 1}, occurred_at=MARCH, session="s"
        )
        memory.add("Vera has a cat.", user_id="vera")
        memory.add("odd \ud83d text \x00", user_id="odd")
        memory.update(first.event_ids[0], "Vera lives in Nice.")
        memory.delete(memory.search("cat", user_id="vera")[0].id)
        assert memory.export(tmp_path / "journal.jsonl") == 5
        before = [list(memory.get_all(user_id=u)) for u in ("vera", "odd")]
        log = [list(memory.log(user_id=u)) for u in ("vera", "odd")]
    with Memory.open(tmp_path / "b.db") as other:
        assert other.restore(tmp_path / "journal.jsonl") == 5
        assert [list(other.log(user_id=u)) for u in ("vera", "odd")] == log
        assert [
            [(e.id, e.content, e.version) for e in other.get_all(user_id=u)] for u in ("vera", "odd")
        ] == [[(e.id, e.content, e.version) for e in engrams] for engrams in before]
        assert other.restore(tmp_path / "journal.jsonl") == 0
        assert texts(other.search("Where does Vera live?", user_id="vera")) == ["Vera lives in Nice."]


def test_a_damaged_export_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "a.db") as memory:
        memory.add("one")
        memory.add("two")
        memory.export(tmp_path / "j.jsonl")
    lines = (tmp_path / "j.jsonl").read_text("utf-8").splitlines(keepends=True)
    bad = {
        "cut": (lines[:-1], UnknownFormat, "cut off"),
        "changed": ([line.replace("two", "six") for line in lines], UnknownFormat, "changed"),
        "newer": (
            [json.dumps(json.loads(lines[0]) | {"version": 99}) + "\n", *lines[1:]],
            NewerSchema,
            "upgrade",
        ),
        "other": (["hello\n"], UnknownFormat, "no export"),
    }
    with Memory.open(tmp_path / "b.db") as other:
        for name, (content, error, message) in bad.items():
            (tmp_path / name).write_text("".join(content), "utf-8")
            with pytest.raises(error, match=message):
                other.restore(tmp_path / name)
        assert other.stats().events == 0


def test_importing_twice_adds_only_what_is_new(tmp_path: Path, memory: Memory) -> None:
    file = tmp_path / "chat.jsonl"
    rows = [
        {"role": "user", "content": f"message {i}", "timestamp": 1_700_000_000 + i, "session": "c"}
        for i in range(5)
    ]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
    assert (memory.import_file(file).written, memory.import_file(file).written) == (5, 0)
    rows += [{"role": "user", "content": "ok", "timestamp": 1_700_000_100, "session": "c"}] * 2
    file.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
    again = memory.import_file(file)
    assert (again.messages, again.written, again.repeated, again.sessions) == (7, 2, 5, 1)
    assert memory.stats().events == 7


def test_many_threads_share_one_memory(memory: Memory) -> None:
    problems: list[BaseException] = []

    def work(n: int) -> None:
        try:
            for i in range(20):
                memory.add(f"thread {n} wrote line {i}", user_id=f"u{n % 3}")
                assert memory.search(f"line {i}", user_id=f"u{n % 3}", k=3)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert problems == []
    assert sum(memory.stats(user_id=f"u{n}").events for n in range(3)) == 120
    assert memory.check() == []


def test_two_memories_of_one_file_see_each_other(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "m.db") as one, Memory.open(tmp_path / "m.db") as two:
        one.add("The ferry leaves at nine.")
        assert texts(two.search("When does the ferry leave?")) == ["The ferry leaves at nine."]
        two.delete_all()
        assert one.search("When does the ferry leave?") == []


def test_reset_empties_everything(memory: Memory) -> None:
    memory.add("a", user_id="a")
    memory.add("b", user_id="b")
    memory.reset()
    assert (memory.stats().events, memory.search("a", user_id="a"), memory.namespaces()) == (0, [], [])
    memory.add("c", user_id="a")
    assert texts(memory.search("c", user_id="a")) == ["c"]


def test_the_reference_recipes_open_too(tmp_path: Path) -> None:
    for name in ("none", "bm25", "full-context", "engrams"):
        with Memory.open(tmp_path / f"{name}.db", recipe=name) as memory:
            memory.add("The heron stands in the pond.")
            assert memory.context("heron").found is (name != "none")
    with pytest.raises(UnknownName, match="engrams"):
        Memory.open(tmp_path / "x.db", recipe="engram")


def test_memory_in_ram_dies_with_the_process() -> None:
    with Memory.open(":memory:") as memory:
        memory.add("short-lived")
        assert texts(memory.search("short-lived")) == ["short-lived"]
        assert memory.location == ":memory:"
    with Memory.open(":memory:") as other:
        assert other.stats().events == 0


def test_the_default_place_is_the_users_data_folder(own_home: Path) -> None:
    with Memory.open() as memory:
        memory.add("at home")
    assert list(own_home.rglob("memory.db"))


def test_the_async_twin_has_the_same_calls_with_the_same_arguments() -> None:
    for name, method in inspect.getmembers(Memory, inspect.isfunction):
        if isinstance(inspect.getattr_static(Memory, name), staticmethod):
            assert getattr(AsyncMemory, name)
        elif not name.startswith("_"):
            assert list(inspect.signature(getattr(AsyncMemory, name)).parameters) == list(
                inspect.signature(method).parameters
            ), name
            assert inspect.iscoroutinefunction(getattr(AsyncMemory, name)), name


def test_async_calls_answer_and_can_be_cancelled(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        async with await AsyncMemory.open(tmp_path / "m.db") as memory:
            await asyncio.gather(*(memory.add(f"async note {i}") for i in range(10)))
            waiting = asyncio.create_task(memory.search("async note"))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            return sorted(h.text for h in await memory.search("async note", k=20))

    assert asyncio.run(scenario()) == sorted(f"async note {i}" for i in range(10))
