"""A memory with a language model: the turn is kept whatever the model does; what it took is counted, bounded and told before."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engrams import Memory
from engrams.errors import (
    BadSetting,
    CannotJoin,
    OverBudget,
    RateLimited,
    Refused,
    UnknownFormat,
    Unreachable,
)
from engrams.models.chat_prices import Rate, chosen, rate_of, rates
from engrams.ports import Answer, Ask, Reply, Request, Usage
from engrams.prompts import Prompt
from tests.rooms.lifecycle.failing import Ticking
from tests.rooms.models.chat_recipe import NOTE, NOTES, TakeNotes


def noting(request: Request) -> Any:
    return {"note": f"Noted: {request.ask.input['message']}", "keywords": []}


def priced(request: Request) -> Reply:
    usage = Usage(tokens_in=1000, tokens_out=100, cached_in=400)
    return Reply(json.dumps(noting(request)), usage=usage)


Opened = Callable[..., Memory]


@pytest.fixture
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Opened:
    def begin(model: object, **more: Any) -> Memory:
        memory = Memory.open(tmp_path / "m.db", more.pop("recipe", NOTES), model=model, **more)
        request.addfinalizer(memory.close)
        return memory

    return begin


def contents(memory: Memory) -> list[str]:
    return [engram.content for engram in memory.get_all()]


def test_what_was_said_is_kept_first_and_derived_from_by_a_job(opened: Opened) -> None:
    memory = opened(noting)
    receipt = memory.add("Ada moved to Porto.")
    assert receipt.pending == 1
    assert contents(memory) == []
    assert memory.work().done == 1
    assert contents(memory) == ["Noted: Ada moved to Porto."]
    assert memory.search("Porto")[0].event_ids == receipt.event_ids


@pytest.mark.parametrize(
    "said",
    ["I would rather not.", '{"note": ""}', Unreachable("down"), RateLimited("slow", 99.0), Refused("no")],
    ids=str,
)
def test_an_answer_that_cannot_be_used_loses_no_turn(opened: Opened, said: Any) -> None:
    answers = [said] * 10

    def bad(request: Request) -> Any:
        if not answers:
            return noting(request)
        next = answers.pop()
        if isinstance(next, Exception):
            raise next
        return next

    clock = Ticking()
    memory = opened(bad, clock=clock)
    memory._house.model.__dict__["sleep"] = lambda _: None  # type: ignore[union-attr]
    memory.add("Ada moved to Porto.")
    assert memory.work().again == 1
    (job,) = memory.jobs("waiting")
    assert job.error
    assert (job.due_at - clock.at).total_seconds() >= (90 if isinstance(said, RateLimited) else 0)
    assert [event.content for event in memory.log()] == ["Ada moved to Porto."]
    answers.clear()
    clock.move(hours=2)
    assert memory.work().done == 1
    assert contents(memory) == ["Noted: Ada moved to Porto."]


def test_a_limit_met_while_something_is_added_loses_no_turn(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass(frozen=True)
    class AtOnce(TakeNotes):
        asks: ClassVar[tuple[str, ...]] = ()  # a step that does not say that it asks

    monkeypatch.setenv("ENGRAMS_MODEL_TOKENS_PER_DAY", "10")
    memory = opened(noting, recipe=replace(NOTES, write=AtOnce()))
    assert memory.add("Ada moved to Porto.").pending == 1
    assert [event.content for event in memory.log()] == ["Ada moved to Porto."]


def test_one_message_that_no_model_can_read_holds_up_no_other(opened: Opened) -> None:
    def picky(request: Request) -> Any:
        return "no" if "riddle" in request.ask.input["message"] else noting(request)

    memory = opened(picky)
    memory.add([{"role": "user", "content": text} for text in ("one", "a riddle", "three")])
    assert memory.work().again == 1
    assert sorted(contents(memory)) == ["Noted: one", "Noted: three"]


def test_a_recipe_that_asks_a_model_is_not_opened_without_one(tmp_path: Path) -> None:
    for model in (None, "none"):
        with pytest.raises(CannotJoin, match="ENGRAMS_MODEL"):
            Memory.open(tmp_path / "m.db", NOTES, model=model)


def test_the_card_shows_prompt_and_operation() -> None:
    card = NOTES.card()
    assert f"prompt=Prompt('note', {NOTE.digest})" in card
    assert "write: asks a model to extract" in card
    other = replace(NOTES, write=TakeNotes(prompt=Prompt("note", inline=NOTE.text + "!")))
    assert other.fingerprint() != NOTES.fingerprint()


def test_the_ledger_counts_by_day_namespace_operation_and_model(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"function:{__name__}.priced"
    monkeypatch.setenv("ENGRAMS_MODEL_PRICES", f"{name}=2/10/0.5")
    clock = Ticking("2024-03-01")
    memory = opened(priced, clock=clock)
    memory.add("one", user_id="ada")
    memory.add("two", user_id="ben")
    memory.work()
    clock.move(days=1)
    memory.add("three", user_id="ada")
    memory.add("one", user_id="ada", session="again")
    memory.work()
    lines = [(s.day, s.namespace, s.operation, s.model, s.usage.calls, s.remembered) for s in memory.costs()]
    first, second = date(2024, 3, 1), date(2024, 3, 2)
    assert lines == [
        (first, "ada", "extract", name, 1, 0),
        (first, "ben", "extract", name, 1, 0),
        (second, "ada", "extract", name, 1, 1),
    ]
    usage = memory.costs()[0].usage
    assert (usage.tokens_in, usage.tokens_out, usage.cached_in) == (1000, 100, 400)
    assert usage.money == pytest.approx((600 * 2 + 400 * 0.5 + 100 * 10) / 1e6)
    assert [s.day for s in memory.costs(days=1)] == [second]
    again = opened(priced, clock=clock)
    assert again.costs() == memory.costs()


def test_a_price_nobody_set_is_unknown_and_never_nothing(opened: Opened) -> None:
    memory = opened(priced)
    memory.add("one")
    memory.work()
    assert memory.costs()[0].usage.money is None


def test_a_holder_of_a_key_sees_the_costs_it_may(opened: Opened) -> None:
    memory = opened(priced)
    memory.add("one", user_id="ada")
    memory.add("two", user_id="ben")
    memory.work()
    key = memory.create_key("ada's", {"ada": "write"})
    held = memory.held_by(str(key.secret))
    assert [line.namespace for line in held.costs()] == ["ada"]
    held.add("three", user_id="ada")


def test_a_limit_of_tokens_stops_before_spending(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGRAMS_MODEL_TOKENS_PER_DAY", "2600")
    sent = []

    def counted(request: Request) -> Reply:
        sent.append(request)
        return priced(request)

    clock = Ticking("2024-03-01")
    memory = opened(counted, clock=clock)
    for n in range(3):
        memory.add(f"message {n}")
        memory.work()
    assert len(sent) == 2  # 2,200 are spent; the third may take more than the 400 that are left
    (job,) = memory.jobs()
    assert "OverBudget: tokens of language models on 2024-03-01: the limit is 2600" in str(job.error)
    assert job.due_at.isoformat().startswith("2024-03-02T00:00:")
    for _ in range(10):  # however often it meets the limit, it is not given up
        memory.retry_job(job.id)
        memory.work()
    assert [j.state for j in memory.jobs()] == ["waiting"]
    clock.move(days=1, minutes=1)
    memory.work()
    assert len(sent) == 3


def test_a_limit_of_money_needs_a_price(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGRAMS_MODEL_MONEY_PER_DAY", "0.002")
    run = opened(priced)._house.run("write", replace(_scope()))
    ask = Ask("extract", NOTE, {"message": "x"}, None, {"most": 1}, most_tokens=100)
    with pytest.raises(BadSetting, match="ENGRAMS_MODEL_PRICES"):
        run.chat.ask(ask)
    monkeypatch.setenv("ENGRAMS_MODEL_PRICES", f"function:{__name__}.priced=1/5")
    run = opened(priced)._house.run("write", _scope())
    run.chat.ask(ask)  # 1,000 in and 100 out: 0.0015
    with pytest.raises(OverBudget, match="money") as caught:
        run.chat.ask(replace(ask, sample=1))
    assert caught.value.limit == 0.002
    assert run.trace.price.model_calls == 1
    assert run.trace.price.money == pytest.approx(0.0015)


def _scope() -> Any:
    from engrams.records import Scope

    return Scope("default")


def test_an_estimate_asks_nobody_and_knows_what_is_known(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGRAMS_MODEL_PRICES", f"function:{__name__}.priced=1/10")
    memory = opened(priced)
    for n in range(3):
        memory.add(f"message {n}")
    before = memory.estimate()
    assert (before.events, before.sampled, before.usage.calls, before.upper) == (3, 3, 3, True)
    assert before.usage.tokens_out == 3 * 200  # the most they may be
    assert before.usage.money == pytest.approx((before.usage.tokens_in + 10 * 600) / 1e6)
    assert memory.costs() == []
    assert contents(memory) == []
    memory.work()
    assert memory.estimate().events == 0
    after = memory.estimate(NOTES)
    assert (after.events, after.usage.tokens_out, after.upper) == (3, 300, False)  # as they were


def test_an_estimate_of_many_looks_at_a_hundred(opened: Opened) -> None:
    memory = opened(noting)
    memory.add_many(f"message {n:03}" for n in range(400))
    found = memory.estimate()
    assert (found.events, found.sampled, found.usage.calls) == (400, 100, 400)
    assert found.usage.money is None


def test_prices_are_read_or_refused() -> None:
    known = rates("gpt-5-mini=0.25/2/0.025, claude=3/15")
    assert known == {"gpt-5-mini": Rate(0.25, 2, 0.025), "claude": Rate(3, 15, 3)}
    assert rate_of("openai:gpt-5-mini@http://127.0.0.1:1/v1", known) == known["gpt-5-mini"]
    assert rate_of("anthropic:claude", known) == known["claude"]
    assert rate_of("openai:gpt-5", known) is None
    for wrong in ("gpt=1", "gpt=a/b", "=1/2", "gpt=-1/2", "gpt=1/2/3/4", "gpt=nan/1", "gpt"):
        with pytest.raises(BadSetting, match="million"):
            rates(wrong)
    assert chosen("reflect=anthropic:x, extract=openai:y@http://z/v1?a=b") == {
        "reflect": "anthropic:x",
        "extract": "openai:y@http://z/v1?a=b",
    }
    with pytest.raises(BadSetting):
        chosen("reflect")


def test_a_run_is_recorded_and_played_back_without_the_model(opened: Opened, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text('[{"when": "Ada moved", "say": "{\\"note\\": \\"Ada: Porto\\", \\"keywords\\": []}"}]')
    tape = tmp_path / "talk.jsonl"
    first = opened(f"record:{tape}+scripted:{rules}")
    first.add("Ada moved to Porto.")
    first.work()
    made = first.costs()[0]
    rules.unlink()
    head, line = tape.read_text().splitlines()
    assert json.loads(head)["model"] == f"scripted:{rules}"
    assert json.loads(line)["input"] == {"message": "Ada moved to Porto."}
    with Memory.open(tmp_path / "second.db", NOTES, model=f"replay:{tape}") as second:
        second.add("Ada moved to Porto.")
        second.work()
        assert contents(second) == ["Ada: Porto"]
        again = second.costs()[0]
        assert (again.model, again.usage.tokens) == (made.model, made.usage.tokens)
        second.add("Ben stayed.")
        assert second.work().again == 1
        assert "has no reply" in str(second.jobs()[0].error)


def test_recordings_that_are_none_are_refused(tmp_path: Path, opened: Opened) -> None:
    tape = tmp_path / "talk.jsonl"
    for wrong in ("", "{}\n", "hello\n", '{"format": "engrams-conversations", "version": 9, "model": "x"}\n'):
        tape.write_text(wrong)
        with pytest.raises(UnknownFormat):
            opened(f"replay:{tape}")
    tape.write_text('{"format": "engrams-conversations", "version": 1, "model": "x"}\n{"key": 1}\n')
    with pytest.raises(UnknownFormat, match="line 2"):
        opened(f"replay:{tape}")
    rules = tmp_path / "rules.json"
    rules.write_text("[]")
    tape.write_text('{"format": "engrams-conversations", "version": 1, "model": "x"}\n')
    with pytest.raises(BadSetting, match="recording of"):
        opened(f"record:{tape}+scripted:{rules}")


def test_the_model_is_told_to_keep_the_language_of_what_is_stored(opened: Opened) -> None:
    heard: list[Request] = []

    def echo(request: Request) -> Any:
        heard.append(request)
        return {"note": request.ask.input["message"], "keywords": []}

    memory = opened(echo)
    said = [
        "Ada ist im Mai nach Porto gezogen.",
        "アダは五月にポルトへ引っ越した。",
        "انتقلت آدا إلى بورتو في مايو.",
    ]
    for text in said:
        memory.add(text)
    memory.work()
    assert all("in the language of the stored text" in request.system for request in heard)
    assert contents(memory) == said


def test_a_reading_that_asks_a_model_shows_its_price(opened: Opened) -> None:
    def words(request: Request) -> Reply:
        return Reply("Porto", usage=Usage(tokens_in=50, tokens_out=5))

    memory = opened(words, recipe="bm25")
    run = memory._house.run("read", _scope())
    run.chat.ask(Ask("answer", Prompt("a", inline="Answer."), {"question": "Where?"}))
    assert (run.trace.price.model_calls, run.trace.price.tokens, run.trace.price.money) == (1, 55, None)


def test_a_model_object_of_ones_own_is_counted_and_bounded(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own:
        name = "mine"

        def __init__(self) -> None:
            self.asked = 0

        def ask(self, ask: Ask) -> Answer:
            self.asked += 1
            value = {"note": f"Mine: {ask.input['message']}", "keywords": []}
            return Answer(json.dumps(value), value)

        def ask_many(self, asks: Sequence[Ask]) -> list[Answer]:
            return [self.ask(ask) for ask in asks]

    own = Own()
    memory = opened(own)
    memory.add("one")
    memory.work()
    (line,) = memory.costs()
    assert (line.model, line.usage.calls, line.usage.estimated, line.usage.money) == ("mine", 1, True, None)
    assert contents(memory) == ["Mine: one"]
    monkeypatch.setenv("ENGRAMS_MODEL_TOKENS_PER_DAY", str(line.usage.tokens + 1))
    bounded = opened(own)
    bounded.add("two")
    assert bounded.work().again == 1
    assert own.asked == 1


def test_a_model_that_the_caller_brought_stays_open(tmp_path: Path) -> None:
    class Mine:
        name, closed = "mine", False

        def complete(self, request: Request) -> Reply:
            return Reply(json.dumps(noting(request)))

        def close(self) -> None:
            self.closed = True

    mine = Mine()
    with Memory.open(tmp_path / "m.db", NOTES, model=mine) as memory:
        memory.add("one")
        assert memory.work().done == 1
    assert not mine.closed
