"""Sessions are written, judged, taken back, listed, kept as bytes, and forgotten to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from engrams.errors import BadSetting, Corrupt, Mismatch, NotFound, UsageError
from engrams.weights.files import from_bytes, to_bytes
from engrams.weights.judging import Limits, Verdict, failures
from engrams.weights.lessons import Lesson, Reserve
from engrams.weights.methods.one_adapter import OneAdapter
from engrams.weights.methods.session_lora import SessionLora
from engrams.weights.parametric import ParametricMemory
from engrams.weights.rows import Rows
from engrams.weights.running import DOWN
from engrams.weights.training import lesson_rows

FEW = 8  # lessons of a session in these tests: enough to be learnt, few enough to be quick


@pytest.fixture(scope="module")
def reserve(world: Any) -> Reserve:
    from engrams_bench.parametric import told

    whole = told.reserve(world)
    return Reserve(whole.replayed[:32], whole.held[:32], whole.texts[:8])


@pytest.fixture(scope="module")
def sessions(world: Any) -> list[list[Lesson]]:
    from engrams_bench.parametric import told

    return [list(one.lessons[-FEW:]) for one in told.sessions(world)]  # the last ones contradict the model


def memory(model: Any, reserve: Reserve, **more: Any) -> ParametricMemory:
    return ParametricMemory(model, fingerprint="the model", reserve=reserve, **more)


@pytest.fixture(scope="module")
def written(model: Any, reserve: Reserve, sessions: list[list[Lesson]]) -> Iterator[Any]:
    held = memory(model, reserve)
    asked = lesson_rows(held.learner, [*reserve.held, *(lesson for one in sessions for lesson in one)])
    base = held.learner.run(asked).logits
    verdicts = [held.write(f"day {number}", one) for number, one in enumerate(sessions[:2], 1)]
    yield held, verdicts, asked, base


def test_what_is_written_is_known_in_other_words_too_and_nothing_else_moves(written: Any) -> None:
    held, verdicts, _, _ = written
    for verdict in verdicts:
        assert (verdict.kept, verdict.why) == (True, ())
        assert (verdict.reliability, verdict.locality, verdict.drift) == (1.0, 1.0, 0.0)
        assert verdict.generality >= 0.9
    assert (verdicts[0].earlier, verdicts[1].earlier) == (None, 1.0)
    assert held.check() == tuple(verdicts)


def test_sessions_are_listed_with_where_they_came_from(written: Any, sessions: list[list[Lesson]]) -> None:
    held, *_ = written
    first, second = held.list()
    assert (first.name, first.lessons, second.name) == ("day 1", FEW, "day 2")
    assert first.sources == tuple(lesson.source for lesson in sessions[0])
    assert first.bytes + second.bytes == held.bytes > 0


def test_the_router_sends_a_question_to_its_session(
    written: Any, reserve: Reserve, sessions: list[list[Lesson]]
) -> None:
    held, *_ = written
    assert held.route(sessions[0][0].asked[0]) == "day 1"
    assert held.route(sessions[1][0].asked[1]) == "day 2"
    assert held.route(reserve.held[0].asked[0]) is None
    assert held.answer(sessions[1][0].asked[0], 1) == sessions[1][0].answer
    assert held.answer(reserve.held[0].asked[0], 1) == reserve.held[0].answer
    assert held.answer(sessions[1][0].asked[0], 3, end=sessions[1][0].answer[0]) == ()


def test_a_model_wears_an_adapter_for_a_block(written: Any, sessions: list[list[Lesson]]) -> None:
    held, *_ = written
    prompt, answer = torch.tensor([sessions[0][0].asked[0]]), sessions[0][0].answer[0]
    bare = held.learner.model(prompt).logits
    with held.apply("day 1") as model:
        assert int(model(prompt).logits[0, -1].argmax()) == answer
    assert torch.equal(held.learner.model(prompt).logits, bare)
    with pytest.raises(NotFound, match="'day 1', 'day 2'"), held.apply("day 7"):
        pass


def test_adapters_come_back_from_bytes_the_same(written: Any, model: Any, reserve: Reserve) -> None:
    held, _, asked, _ = written
    raw = [to_bytes(one) for one in held.adapters()]
    assert raw == [to_bytes(one) for one in held.adapters()]
    other = memory(model, reserve)
    other.take([from_bytes(one, "the model") for one in raw])
    assert torch.equal(other.logits(asked), held.logits(asked))
    assert other.list() == held.list()
    with pytest.raises(Mismatch, match="has another model"):
        from_bytes(raw[0], "another model")
    with pytest.raises(Mismatch, match="session-lora"):
        memory(model, reserve, method=SessionLora(rank=4)).take([from_bytes(raw[0], "the model")])
    with pytest.raises(Corrupt):
        from_bytes(raw[0][:200], "the model")


def test_an_adapter_has_the_names_of_peft(written: Any) -> None:
    held, *_ = written
    names = set(held.adapters()[0].part.tensors)
    assert "model.layers.0.self_attn.q_proj" + DOWN in names
    assert held.adapters()[0].sources == held.list()[0].sources


def test_forgetting_restores_every_answer_bit_for_bit(written: Any, model: Any, reserve: Reserve) -> None:
    held, _, asked, base = written
    copy = memory(model, reserve)
    copy.take(held.adapters())
    assert not torch.equal(copy.logits(asked), base)
    copy.forget("day 1")
    assert [one.name for one in copy.list()] == ["day 2"]
    assert copy.check("day 2")[0].reliability == 1.0
    copy.forget("day 2")
    assert torch.equal(copy.logits(asked), base)
    assert (copy.list(), copy.bytes) == ((), 0)
    with pytest.raises(NotFound, match="none"):
        copy.forget("day 2")


def test_what_a_later_session_says_anew_is_not_asked_of_the_earlier_one(
    written: Any, model: Any, reserve: Reserve, sessions: list[list[Lesson]]
) -> None:
    held, *_ = written
    copy = memory(model, reserve)
    copy.take(held.adapters())
    changed = [Lesson(one.asked, sessions[1][0].answer, one.otherwise) for one in sessions[0][:2]]
    assert copy.write("day 3", changed).kept
    assert copy.route(changed[0].asked[0]) == "day 3"
    assert [one.reliability for one in copy.check()] == [1.0, 1.0, 1.0]
    copy.forget("day 3")
    assert copy.answer(sessions[0][0].asked[0], 1) == sessions[0][0].answer


def test_a_write_that_contaminates_is_taken_back(
    model: Any, reserve: Reserve, sessions: list[list[Lesson]]
) -> None:
    held = memory(model, reserve, method=OneAdapter(steps=30), limits=Limits(drift=None))
    asked = lesson_rows(held.learner, reserve.held)
    base = held.learner.run(asked).logits
    verdict = held.write("day 1", sessions[0])
    assert not verdict.kept
    assert verdict.reliability >= 0.95
    assert [why.split()[0] for why in verdict.why] == ["locality"]
    assert held.list() == ()
    assert torch.equal(held.logits(asked), base)


def test_one_adapter_forgets_by_being_written_anew(
    model: Any, reserve: Reserve, sessions: list[list[Lesson]]
) -> None:
    loose = Limits(reliability=None, locality=None, earlier=None, drift=None)
    held, alone = (memory(model, reserve, method=OneAdapter(steps=8), limits=loose) for _ in range(2))
    for number in (0, 1):
        held.write(f"day {number}", sessions[number])
    alone.write("day 1", sessions[1])
    held.forget("day 0")
    asked = lesson_rows(held.learner, sessions[0])
    assert torch.equal(held.logits(asked), alone.logits(asked))  # as if it had never been told
    with pytest.raises(UsageError, match="no router"):
        held.route((1, 2))


def test_limits_say_what_was_not_reached() -> None:
    verdict = Verdict("s", 0.9, 0.5, 0.97, None, 0.2)
    assert failures(verdict, Limits(generality=0.6)) == [
        "reliability 0.900 is below 0.95",
        "generality 0.500 is below 0.6",
        "locality 0.970 is below 0.98",
        "drift 0.200 is above 0.05 nats a token",
    ]
    assert failures(verdict, Limits(0.9, None, None, None, None)) == []
    with pytest.raises(BadSetting):
        Limits(reliability=1.5)
    with pytest.raises(BadSetting):
        Limits(drift=-1)


def test_a_session_is_told_once(written: Any, sessions: list[list[Lesson]]) -> None:
    held, *_ = written
    with pytest.raises(BadSetting, match="forget it first"):
        held.write("day 1", sessions[0])
    with pytest.raises(BadSetting):
        held.write("day 9", [])


def test_a_memory_without_a_reserve_judges_by_what_it_has(model: Any, sessions: list[list[Lesson]]) -> None:
    held = ParametricMemory(model, fingerprint="x", method=SessionLora(steps=40))
    verdict = held.write("day 1", [Lesson(one.asked, one.answer) for one in sessions[0][:2]])
    assert (verdict.generality, verdict.locality, verdict.earlier, verdict.drift) == (None,) * 4
    assert verdict.reliability == 1.0


def test_rows_that_no_session_takes_are_answered_in_the_same_batch_as_the_base(written: Any) -> None:
    held, _, asked, base = written
    said = held.logits(asked)
    own = Rows(
        asked.ids[-1:], asked.mask[-1:], asked.labels[-1:], asked.last[-1:]
    )  # of a session never written
    assert torch.equal(said[0], base[0])
    assert own.ids.shape[0] == 1
