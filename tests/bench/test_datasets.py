"""Loaders on small files of our own in the official formats, with the traps of the real ones in them."""

from __future__ import annotations

import gzip
import json
import lzma
from datetime import UTC, datetime
from pathlib import Path

import pytest
from engrams_bench.cases import Case
from engrams_bench.convert import convert
from engrams_bench.datasets import DATASETS, find
from engrams_bench.datasets.locomo import evidence
from engrams_bench.datasets.longmemeval import inline
from engrams_bench.datasets.reading import elements
from engrams_bench.errors import MalformedData, MissingData, UnknownData
from engrams_bench.folder import data_folder, digest, files_of, require


def cases(name: str, folder: Path) -> list[Case]:
    data = DATASETS[name]
    return list(data.load(require(data, folder)))


@pytest.mark.parametrize(
    ("raw", "turns"),
    [
        (["D8:6; D9:17"], ("D8:6", "D9:17")),
        (["D9:1 D4:4 D4:6"], ("D9:1", "D4:4", "D4:6")),
        (["D:11:26"], ("D11:26",)),
        (["D30:05"], ("D30:5",)),
        (["D1:2", "D1:2"], ("D1:2",)),
        ([["D1:2"], ["D3:4"]], ("D1:2", "D3:4")),
        ("D1:2", ("D1:2",)),
        (["", " "], ()),
        ([], ()),
        (None, ()),
    ],
)
def test_evidence_of_any_form_is_understood(raw: object, turns: tuple[str, ...]) -> None:
    assert evidence(raw) == turns


def test_locomo(own_data: Path) -> None:
    first, second = cases("locomo", own_data)
    assert [session.id for session in first.sessions] == ["1", "2"], (
        "in order of number; no turns, no session"
    )
    assert [turn.id for turn in first.sessions[0].turns] == ["D1:1", "D1:2", "D1:3"]
    kiln = first.sessions[1].turns[0].message
    assert kiln.content == "The kiln is mended at last. [shares a photo: a red kiln in a shed]"
    assert kiln.speaker == "Ada"
    assert kiln.occurred_at == datetime(2024, 3, 1, 0, 5, tzinfo=UTC), "12:05 am is five past midnight"
    assert first.sessions[0].turns[0].message.occurred_at == datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    asked = {question.id: question for question in first.questions}
    assert asked["own-1:0"].category == "temporal"
    assert asked["own-1:1"].turns == ("D1:3", "D2:1", "D2:2")
    assert asked["own-1:1"].sessions == ("1", "2")
    assert asked["own-1:2"].turns == ()
    assert asked["own-1:3"].turns == ("D2:2",), "a turn that does not exist is dropped"
    assert asked["own-1:4"].abstain and asked["own-1:4"].turns == ("D1:1",)
    assert [question.abstain for question in first.questions[:4]] == [False] * 4
    assert second.questions[0].turns == ("D1:1",)


def test_longmemeval(own_data: Path) -> None:
    first, second = cases("longmemeval", own_data)
    assert [session.id for session in first.sessions] == ["answer_a", "plain", "plain#2", "answer_c"]
    question = first.questions[0]
    assert question.turns == ("answer_a:0", "answer_c:0", "answer_c:1")
    assert question.sessions == ("answer_a", "answer_c")
    assert question.asked_at == datetime(2024, 5, 9, 8, 15, tzinfo=UTC)
    assert question.category == "knowledge-update"
    assert first.sessions[3].turns[0].message.occurred_at == datetime(2024, 5, 8, 23, 59, tzinfo=UTC)
    assert second.questions[0].abstain and not question.abstain


def stored_once(folder: Path, own_data: Path) -> tuple[Path, Path]:
    """The official file of our own taken apart into questions, and sessions stored once."""
    questions, sessions, seen = folder / "s_questions_own.jsonl", folder / "s_sessions_own.jsonl.xz", set()
    with questions.open("w") as asked, lzma.open(sessions, "wt") as stored:
        for record in elements(own_data / "longmemeval" / "longmemeval_s.json"):
            held = dict(zip(record["haystack_session_ids"], record.pop("haystack_sessions"), strict=True))
            record["has_answer"] = [
                [name, number, bool(turn.get("has_answer"))]
                for name, turns in held.items()
                for number, turn in enumerate(turns)
            ]
            asked.write(json.dumps(record) + "\n")
            for name in held.keys() - seen:
                turns = [[turn["role"], turn["content"]] for turn in held[name]]
                stored.write(json.dumps({"id": name, "turns": turns}) + "\n")
            seen |= held.keys()
    return questions, sessions


def test_a_tenth_of_longmemeval_is_told_by_the_ids_alone(own_data: Path, tmp_path: Path) -> None:
    record = next(iter(elements(own_data / "longmemeval" / "longmemeval_s.json")))
    many = [{**record, "question_id": f"q{number}"} for number in range(200)]

    def chosen(records: list[dict[str, object]]) -> list[str]:
        (tmp_path / "longmemeval_s.json").write_text(json.dumps(records), encoding="utf-8")
        return [case.id for case in cases("longmemeval-tenth", tmp_path)]

    whole = chosen(many)
    assert 10 < len(whole) < 30
    assert chosen(many[100:]) == [id for id in whole if int(id[1:]) >= 100]


def test_longmemeval_with_sessions_stored_once_is_the_same(own_data: Path, tmp_path: Path) -> None:
    (tmp_path / "longmemeval").mkdir()
    stored_once(tmp_path / "longmemeval", own_data)
    assert cases("longmemeval", tmp_path) == cases("longmemeval", own_data)


def test_converting_makes_the_official_file(own_data: Path, tmp_path: Path) -> None:
    questions, sessions = stored_once(tmp_path, own_data)
    out = tmp_path / "longmemeval_s.json"
    assert convert(questions, sessions, out) == 2
    assert json.loads(out.read_text()) == json.loads(
        (own_data / "longmemeval/longmemeval_s.json").read_text()
    )


def test_a_session_that_is_not_there_is_named(own_data: Path, tmp_path: Path) -> None:
    questions, sessions = stored_once(tmp_path, own_data)
    with lzma.open(sessions, "wt") as stored:
        stored.write('{"id": "other", "turns": []}\n')
    with pytest.raises(MalformedData, match="q1 names session answer_a"):
        list(inline(questions, sessions))


def test_questions_without_sessions_are_missing_data(own_data: Path, tmp_path: Path) -> None:
    (tmp_path / "longmemeval").mkdir()
    _, sessions = stored_once(tmp_path / "longmemeval", own_data)
    sessions.unlink()
    with pytest.raises(MissingData, match=r"needs its s_sessions"):
        cases("longmemeval", tmp_path)


def test_multihop(own_data: Path) -> None:
    (musique,) = cases("musique", own_data)
    text = {turn.id: turn.message.content for session in musique.sessions for turn in session.turns}
    assert [text[id] for id in musique.questions[0].turns] == [
        "Aldery\nAldery is a village on the river Wenn.",
        "Wenn\nThe Wenn flows into the Sorrow Sea.",
    ], "two passages have one title: the text tells them apart"
    assert all(len(session.turns) == 1 for session in musique.sessions), "no neighbour tells the answer"
    (hotpot,) = cases("hotpotqa", own_data)
    assert len(hotpot.questions[0].turns) == 2 and hotpot.questions[0].category == "bridge"
    texts = {turn.message.content for session in hotpot.sessions for turn in session.turns}
    assert "Aldery\nAldery is a village. It lies on the Wenn." in texts
    (wiki,) = cases("2wiki", own_data)
    assert len(wiki.questions[0].turns) == 2
    assert [data.name for data in find("multihop")] == ["musique", "hotpotqa", "2wiki"]


def test_passages_do_not_lie_in_the_order_of_the_file(own_data: Path, tmp_path: Path) -> None:
    (tmp_path / "multihop").mkdir()
    corpus = json.loads((own_data / "multihop/musique_own_corpus.json").read_text())
    (tmp_path / "multihop/musique_own_corpus.json").write_text(json.dumps(corpus[::-1]))
    (tmp_path / "multihop/musique_own.json").write_bytes(
        (own_data / "multihop/musique_own.json").read_bytes()
    )
    assert cases("musique", tmp_path) == [
        Case("musique_own", case.sessions, case.questions) for case in cases("musique", own_data)
    ]


def test_memdaily(own_data: Path) -> None:
    (case,) = cases("memdaily", own_data)
    assert case.id == "simple_own:0"
    assert case.sessions[0].turns[0].message.occurred_at == datetime(2024, 4, 1, 8, 12, tzinfo=UTC)
    question = case.questions[0]
    assert (question.category, question.turns, question.sessions) == ("simple_own", ("0",), ())
    assert question.asked_at == datetime(2024, 4, 9, 7, 46, tzinfo=UTC)


def test_the_sample_is_always_at_hand(tmp_path: Path) -> None:
    english, chinese = cases("sample", tmp_path)
    assert english.size > 300 and len(english.questions) >= 50
    assert chinese.size >= 50 and any(question.abstain for question in chinese.questions)
    for case in (english, chinese):
        turns = {turn.id for session in case.sessions for turn in session.turns}
        for question in case.questions:
            assert bool(question.turns) != question.abstain
            assert set(question.turns) <= turns


def test_a_missing_set_says_where_to_get_it_and_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as told:
        require(DATASETS["locomo"], tmp_path)
    for part in ("snap-research/locomo", "CC BY-NC", str(tmp_path / "locomo"), "ENGRAMS_BENCH_DATA"):
        assert part in str(told.value)


def test_an_unknown_set_names_the_nearest() -> None:
    with pytest.raises(UnknownData, match="did you mean 'locomo'"):
        find("lokomo")


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert data_folder() == Path("data")
    monkeypatch.setenv("ENGRAMS_BENCH_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    assert data_folder(Path("there")) == Path("there")


def test_a_packed_file_reads_the_same(own_data: Path, tmp_path: Path) -> None:
    plain = own_data / "longmemeval/longmemeval_s.json"
    packed = tmp_path / "longmemeval_s.json.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(elements(packed)) == json.loads(plain.read_text())
    assert cases("longmemeval", tmp_path) == cases("longmemeval", own_data)


def test_the_digest_follows_the_content(own_data: Path, tmp_path: Path) -> None:
    one = files_of(DATASETS["locomo"], own_data)
    copy = tmp_path / "other-name.json"
    copy.write_bytes(one[0].read_bytes())
    assert digest([copy]) == digest(one)
    copy.write_bytes(one[0].read_bytes() + b" ")
    assert digest([copy]) != digest(one)


@pytest.mark.parametrize("text", ["", "{}", "[1, 2", "[1 2]", "[,]", "[tru]"])
def test_no_json_list_is_said_so(text: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(MalformedData, match=r"broken\.json"):
        list(elements(path))


@pytest.mark.parametrize("text", ["[]", " [ ] ", "\n[1 , {}\n,[2]]\n"])
def test_elements_are_those_of_the_list(text: str, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text(text)
    assert list(elements(path)) == json.loads(text)


@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("locomo", "locomo1.json", [{"sample_id": "x", "qa": []}]),
        (
            "locomo",
            "locomo1.json",
            [{"sample_id": "x", "conversation": {}, "qa": [{"question": "?", "category": 9}]}],
        ),
        ("longmemeval", "longmemeval_s.json", [{"question_id": "x"}]),
    ],
)
def test_a_record_of_another_schema_is_named(name: str, file: str, content: object, tmp_path: Path) -> None:
    (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(MalformedData, match=r"(sample|record) 0: KeyError"):
        cases(name, tmp_path)
