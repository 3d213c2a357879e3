"""Files told apart by what they hold, read whole or not at all."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrams.errors import BadSetting, EngramsError, UnknownFormat, UnknownName, UsageError
from engrams.ingest import FORMATS, detect, read
from engrams.ingest.source import excerpt

DATA = Path(__file__).parent / "data"

EXPECTED = {
    "chat.md": "markdown",
    "chatgpt.json": "chatgpt",
    "claude.json": "claude",
    "mcp_memory.jsonl": "mcp-memory",
    "mem0.json": "mem0",
    "notes.md": "notes",
    "openai.json": "json",
    "openai.jsonl": "jsonl",
    "slack.json": "slack",
    "transcript.md": "markdown",
    "transcript.txt": "transcript",
    "whatsapp_android.txt": "whatsapp",
    "whatsapp_ios.txt": "whatsapp",
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def zipped(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_every_file_is_known_by_its_content_alone() -> None:
    assert {p.name: detect(p.read_bytes()) for p in DATA.iterdir()} == EXPECTED
    assert set(EXPECTED.values()) == set(FORMATS)
    assert all(f.about and f.name == name for name, f in FORMATS.items())


def test_chatgpt_gives_the_branch_last_shown_oldest_conversation_first() -> None:
    found = list(read(DATA / "chatgpt.json"))
    assert [(m.role, m.session, m.content) for m in found] == [
        ("user", "c-old", "Paint me a red boat"),
        ("assistant", "c-old", "[image: file_777]"),
        (
            "user",
            "c-bread",
            "[image: dough.jpg]\nMy kitchen is at 15 degrees. How long should the dough rise?\n[file: recipe.pdf]",
        ),
        ("assistant", "c-bread", "About fourteen hours at 15 degrees. "),
        ("user", "c-bread", "Thanks, overnight then."),
    ]
    assert [m.occurred_at for m in found[2:]] == [
        at("2024-05-01T10:40:10"),
        at("2024-05-01T10:40:20.250"),
        at("2024-05-01T10:40:20.250"),  # it has no time of its own: that of the message before
    ]
    title = "Sourdough in a cold kitchen"
    assert found[3].metadata == {"conversation": title, "source_id": "n5", "model": "gpt-4o"}
    assert [(a.kind, a.uri, a.bytes) for a in found[2].attachments] == [
        ("image", "file-service://file-abc", 2048),
        ("file", "file-def", 999),
    ]


def test_claude_gives_the_branch_last_shown_with_pastes_and_without_thoughts() -> None:
    found = list(read(DATA / "claude.json"))
    assert [(m.role, m.session, m.content) for m in found] == [
        ("user", "k-old", "Remember that I hate olives."),
        ("assistant", "k-old", "Noted: no olives."),
        ("user", "k-trip", "Which night train goes to Vienna?\n[image: map.png]"),
        ("assistant", "k-trip", "The Nightjet from Zurich."),
        ("user", "k-trip", "A long paste about couchettes.\n[file: ticket.pdf]"),
    ]
    assert found[2].occurred_at == at("2025-03-01T08:00:05.120")
    assert found[2].metadata == {"conversation": "Night train", "source_id": "m1"}


def test_messages_on_lines_and_in_one_document() -> None:
    found = list(read(DATA / "openai.jsonl"))
    assert [(m.role, m.speaker, m.session, m.content) for m in found] == [
        ("user", "Mara", "kitchen", "The plumber comes on Friday."),
        ("assistant", None, None, '[calls add_reminder({"day": "Friday"})]'),
        ("tool", None, None, "done"),
        ("user", None, "painter", "And the painter?"),
        ("assistant", None, "painter", "Not booked yet."),
    ]
    assert found[0].occurred_at == at("2024-05-01T08:22")
    assert found[2].occurred_at == at("2024-05-01T08:23:01")
    heron, answer = read(DATA / "openai.json")
    assert (heron.content, heron.session) == ("What is this?\n[image: heron.jpg]", "thread_9")
    assert (answer.role, answer.session) == ("assistant", "thread_9")
    lists = json.dumps([[{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}]]).encode()
    assert [(m.session, m.content) for m in read(lists)] == [("input [0]", "a"), ("input [1]", "b")]


def test_memories_of_other_systems() -> None:
    peanuts, porto = read(DATA / "mem0.json")
    assert (peanuts.content, peanuts.occurred_at) == ("Is allergic to peanuts", at("2024-07-01T08:00"))
    assert peanuts.metadata == {"user_id": "mara", "category": "health", "source_id": "6f1"}
    assert porto.occurred_at == at("2024-08-01")
    assert [m.content for m in read(DATA / "mcp_memory.jsonl")] == [
        "Mara Lind (person): speaks Portuguese",
        "Mara Lind (person): rides a cargo bike",
        "Porto (city): known",
        "Mara Lind lives in Porto",
    ]
    graph = {"entities": [{"name": "A", "entityType": "x", "observations": ["o"]}], "relations": []}
    assert [m.content for m in read(json.dumps(graph).encode())] == ["A (x): o"]


def test_slack_names_people_threads_and_files() -> None:
    joined, build, chart = read(DATA / "slack.json")
    assert joined.role == "system"
    assert (build.speaker, build.content) == ("mara", "Build is <green>, see run 7")
    assert (chart.content, chart.session) == ("[image: chart.png]", "slack 1714550520.000200")
    assert build.occurred_at is not None and build.occurred_at.replace(microsecond=0) == at(
        "2024-05-01T08:02"
    )


def test_a_markdown_transcript_with_dates_in_headings() -> None:
    assert [(m.speaker, m.session, m.occurred_at, m.content) for m in read(DATA / "transcript.md")] == [
        ("Anna", "transcript", at("2024-04-30"), "Before the first heading."),
        ("Anna", "1 May 2024", at("2024-05-01T10:22"), "I planted beans.\n\nThey need sun."),
        ("Ben", "1 May 2024", at("2024-05-01T10:22"), "On the balcony?"),
        ("Ben", "Thursday, May 2nd, 2024", at("2024-05-02"), "The beans are up."),
    ]


def test_a_markdown_chat_keeps_the_headings_of_an_answer() -> None:
    asked, told, thanked = read(DATA / "chat.md")
    assert [(m.role, m.speaker, m.session) for m in (asked, told, thanked)] == [
        ("user", None, "Pancakes"),
        ("assistant", None, "Pancakes"),
        ("user", None, "Pancakes"),
    ]
    assert told.content == "## Steps\n\n1. Mix.\n2. Fry.\n\n```python\n# not a heading\n```"


def test_notes_are_paragraphs_under_headings() -> None:
    assert [(m.content, m.occurred_at, dict(m.metadata)) for m in read(DATA / "notes.md")] == [
        ("Bought seeds: peas and chard.", None, {"heading": "Garden"}),
        ("Sowed the peas.\nRain all day.", at("2024-03-02"), {"heading": "Garden / 2024-03-02"}),
        ("```\nbed  peas\n\nbed  chard\n```", at("2024-03-02"), {"heading": "Garden / 2024-03-02"}),
    ]


@pytest.mark.parametrize("name", ["chatgpt.json", "claude.json"])
def test_an_export_is_the_same_from_file_zip_folder_and_shards(name: str, tmp_path: Path) -> None:
    raw = (DATA / name).read_bytes()
    plain = [(m.session, m.content) for m in read(raw)]
    others = {"chat.html": b"<html>", "user.json": b"{}", "export/users.json": b"[]"}
    for inner in ("conversations.json", "export/conversations.json"):
        packed = zipped({inner: raw, **others})
        assert detect(packed) == FORMATS[EXPECTED[name]].name
        assert [(m.session, m.content) for m in read(packed)] == plain
    first, second = (json.dumps([c]).encode() for c in json.loads(raw))
    shards = {"conversations-000.json": first, "conversations-001.json": second, **others}
    parted = [(m.session, m.content) for m in read(zipped(shards))]
    assert sorted(parted) == sorted(plain)
    for inner, content in shards.items():
        (tmp_path / inner).parent.mkdir(exist_ok=True)
        (tmp_path / inner).write_bytes(content)
    assert [(m.session, m.content) for m in read(tmp_path)] == parted


def test_a_zip_with_one_transcript_is_that_transcript() -> None:
    packed = zipped(
        {"_chat.txt": (DATA / "whatsapp_ios.txt").read_bytes(), "00000012-PHOTO.jpg": b"\xff\xd8"}
    )
    assert detect(packed) == "whatsapp"
    assert len(list(read(packed))) == 3


def test_a_broken_line_is_named_and_nothing_is_read(tmp_path: Path) -> None:
    lines = [
        '{"role": "user", "content": "one"}',
        '{"role": "user", "content": "tw',
        '{"role": "user"}',
        "[1]",
    ]
    path = tmp_path / "history.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(BadSetting, match=r"^history\.jsonl line 2 \(file\)"):
        read(path)  # before the first message is asked for
    problems: list[BadSetting] = []
    assert [m.content for m in read(path, problems=problems)] == ["one"]
    assert [p.key for p in problems] == [
        "history.jsonl line 2",
        "history.jsonl line 3.content",
        "history.jsonl line 4[0]",
    ]


def test_a_broken_first_line_and_a_broken_document_are_told_apart() -> None:
    with pytest.raises(BadSetting, match="input line 1 "):
        read(b'{"role": "user", "content": "o\n{"role": "user", "content": "two"}\n')
    with pytest.raises(BadSetting, match=r"input line 2 column 3 .*JSON"):
        read(b'[{"mapping": {}},\n  oops]')


def test_text_that_is_not_utf8_is_named_by_line() -> None:
    with pytest.raises(BadSetting, match=r"line 2 .*UTF-8"):
        read(b"Anna: hi\nBen: caf\xe9\n")
    for encoding in ("utf-8-sig", "utf-16"):
        assert [m.content for m in read("Anna: grüezi\r\nBen: hoi\r\n".encode(encoding))] == ["grüezi", "hoi"]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\x00\x01\x02binary", "begins with"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"<!DOCTYPE html><html></html>", "conversations.json"),
        (b'{"colour": "red"}', "red"),
        (b"[]", "begins with"),
        (b'["a", "b"]', "begins with"),
        (b"SQLite format 3\x00", "Memory.open"),
    ],
)
def test_what_no_format_reads_is_shown_with_all_that_are_read(raw: bytes, says: str) -> None:
    with pytest.raises(UnknownFormat, match=says) as caught:
        detect(raw)
    assert all(name in str(caught.value) for name in FORMATS)


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read(tmp_path / "absent.json")
    with pytest.raises(UsageError, match="holds nothing; expected"):
        read(tmp_path)
    with pytest.raises(UsageError):
        read("x" * 5000)
    with pytest.raises(UsageError):
        read("nul\x00name")
    with pytest.raises(BadSetting, match="path of a file"):
        read(42)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"a\.txt, b\.txt; expected"):
        read(zipped({"a.txt": b"Anna: hi", "b.txt": b"Ben: hi"}))
    with pytest.raises(BadSetting, match="undamaged zip"):
        read(zipped({"conversations.json": b"[" + b"0," * 999 + b"0]"})[:-30])
    with pytest.raises(UnknownName, match="jsonl"):
        read(b"x", format="jsnl")


def test_a_format_named_by_the_caller_is_used() -> None:
    raw = b"Anna: hello\nBen: hi"
    assert [m.speaker for m in read(raw)] == ["Anna", "Ben"]
    assert [m.content for m in read(raw, format="notes")] == ["Anna: hello\nBen: hi"]
    with pytest.raises(BadSetting, match="mapping"):
        read(b'[{"role": "user", "content": "x"}]', format="chatgpt")


def test_empty_messages_of_a_file_are_left_out_but_a_file_of_them_is_refused() -> None:
    with pytest.raises(UnknownFormat, match="no messages"):
        read(b'{"role": "system", "content": ""}\n{"role": "user", "content": null}')


def test_halves_of_emoji_and_nul_in_json_come_through() -> None:
    (message,) = read(b'[{"role": "user", "content": "a\\ud83d b\\u0000"}]')
    assert message.content == "a\ud83d b\x00"


def test_trees_that_run_in_circles_or_lead_nowhere_end() -> None:
    node = {"message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["hi"]}}}
    circle = {
        "id": "c",
        "current_node": "a",
        "mapping": {"a": {**node, "parent": "b"}, "b": {**node, "parent": "a"}},
    }
    assert len(list(read(json.dumps([circle]).encode()))) == 2
    lost = {"id": "c", "current_node": "a", "mapping": {"a": {**node, "parent": "gone"}}}
    assert len(list(read(json.dumps([lost]).encode()))) == 1


PIECES = st.sampled_from(
    [b"[", b"{", b'"role"', b":", b'"user"', b",", b"}", b"]", b"\n", b"Anna: hi", b"# 2024-13-40", b"**A:** b",
     b"01/02/2024, 10:00 - A: x", b"\xff", b"\x00", b"PK\x03\x04", b'{"mapping": {"a": 1}}', b'{"chat_messages": [1]}',
     b'{"type": "entity", "observations": 3}', b'{"results": [{}]}', b"[2024-05-01 25:61] A: x", b"---"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_whatever_bytes_come_they_are_read_or_refused_by_name(raw: bytes) -> None:
    for problems in (None, []):
        try:
            found = list(read(raw, problems=problems))
        except EngramsError:
            continue
        assert all(m.content.strip() and m.role for m in found)


def test_an_excerpt_is_short_and_printable() -> None:
    assert excerpt("short") == "short"
    assert excerpt("a\nb\ud83d") == r"a\nb\ud83d"
    assert excerpt("x" * 100, 10) == "xxxxxxxxx…"
