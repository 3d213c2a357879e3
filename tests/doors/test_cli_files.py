"""Files through the command line: import, export and restore, backup, doctor, and files that are something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Engrams = Callable[..., Any]

LINES = [
    {
        "role": "user",
        "content": "My dentist is Dr Okafor on Mill Lane.",
        "timestamp": "2024-02-01T10:00:00Z",
        "session": "a",
    },
    {
        "role": "assistant",
        "content": "Noted: Dr Okafor, Mill Lane.",
        "timestamp": "2024-02-01T10:01:00Z",
        "session": "a",
    },
    {
        "role": "user",
        "content": "We moved the appointment to Friday.",
        "timestamp": "2024-02-02T10:00:00Z",
        "session": "b",
    },
]


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES), encoding="utf-8")
    return path


def contents(engrams: Engrams, *options: object) -> list[str]:
    return [json.loads(line)["content"] for line in engrams("log", "--all", "--json", *options).lines]


def test_importing_says_what_was_found_and_what_was_new(engrams: Engrams, chats: Path) -> None:
    first = engrams("import", chats)
    assert first.code == 0, first.err
    assert first.rows == [["jsonl", "3", "2", "3", "0", str(chats)]]
    (again,) = engrams("import", chats, "--json").json
    assert (again["messages"], again["written"], again["repeated"]) == (3, 0, 3)
    assert contents(engrams) == [line["content"] for line in LINES]


def test_a_file_that_grew_adds_what_is_new(engrams: Engrams, chats: Path) -> None:
    engrams("import", chats)
    with chats.open("a", encoding="utf-8") as more:
        more.write(
            json.dumps({"role": "user", "content": "It went well.", "timestamp": "2024-02-09T10:00:00Z"})
            + "\n"
        )
    (again,) = engrams("import", chats, "--json").json
    assert (again["written"], again["repeated"]) == (1, 3)


def test_several_files_where_one_is_broken(engrams: Engrams, chats: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.md"
    other.write_text("**Anna:** The boiler was repaired.\n\n**Ben:** Good.\n", encoding="utf-8")
    broken = tmp_path / "picture.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    answer = engrams("import", chats, broken, other)
    assert answer.code == 2
    assert [row[0] for row in answer.rows] == ["jsonl", "markdown"]
    assert "1 of 3 files" in answer.err
    assert str(broken) in answer.err


def test_an_unknown_form_names_the_known_ones(engrams: Engrams, chats: Path) -> None:
    answer = engrams("import", chats, "--format", "jsnl")
    assert answer.code == 2
    assert "jsonl" in answer.err


def test_the_journal_travels_through_export_and_restore(
    engrams: Engrams, chats: Path, tmp_path: Path
) -> None:
    engrams("import", chats)
    file = tmp_path / "journal.jsonl"
    exported = engrams("export", file)
    assert exported.rows == [[str(file), "3"]]
    streamed = engrams("export")
    assert [json.loads(line)["content"] for line in streamed.lines if '"content"' in line] == contents(
        engrams
    )
    other = tmp_path / "other.db"
    assert engrams("restore", file, "--db", other).rows == [["3"]]
    assert engrams("restore", file, "--db", other).rows == [["0"]]
    assert contents(engrams, "--db", other) == contents(engrams)
    assert "There is more" not in engrams("search", "dentist", "--db", other).err
    assert "is there already" in engrams("export", file).err
    assert engrams("export", file, "--force", "--json").json == {"path": str(file), "events": 3}


def test_a_backup_is_a_memory(engrams: Engrams, chats: Path, tmp_path: Path) -> None:
    engrams("import", chats)
    copy = tmp_path / "copy.db"
    answer = engrams("backup", copy)
    assert answer.code == 0, answer.err
    assert answer.rows == [[str(copy), str(copy.stat().st_size)]]
    assert contents(engrams, "--db", copy) == contents(engrams)
    assert engrams("backup", copy).code == 2
    assert engrams("backup", tmp_path).code == 2


def test_vacuum_says_how_much_room_it_took_and_takes(engrams: Engrams, chats: Path) -> None:
    engrams("import", chats)
    sizes = engrams("vacuum", "--json").json
    assert sizes["bytes_before"] > 0
    assert sizes["bytes_after"] > 0


def test_doctor_is_content_with_a_sound_memory(engrams: Engrams, chats: Path) -> None:
    engrams("import", chats)
    answer = engrams("doctor")
    assert (answer.code, answer.out) == (0, "")
    assert "all is well" in answer.err
    assert engrams("doctor", "--json").json["well"] is True


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: path.write_text("shopping: eggs, milk\n" * 200), "NotAMemory"),
        (lambda path: path.mkdir(), "Unavailable"),
        (lambda path: None, "no memory"),
    ],
    ids=["foreign", "folder", "missing"],
)
def test_doctor_names_what_is_wrong_where_nothing_can_be_opened(
    engrams: Engrams, tmp_path: Path, make: Callable[[Path], Any], kind: str
) -> None:
    place = tmp_path / "place.db"
    make(place)
    answer = engrams("doctor", "--db", place)
    assert answer.code == 4
    (row,) = answer.rows
    assert row[0] == "error"
    assert kind in row[1]
    assert row[2]
    document = engrams("doctor", "--db", place, "--json").json
    assert document["well"] is False
    assert document["problems"][0]["mend"] == row[2]


def test_doctor_finds_a_damaged_file(engrams: Engrams, chats: Path, database: Path) -> None:
    engrams("import", chats)
    engrams("vacuum")
    for beside in database.parent.glob(database.name + "-*"):
        beside.unlink()
    whole = bytearray(database.read_bytes())
    whole[4096:8192] = b"\xa5" * 4096
    database.write_bytes(whole)
    answer = engrams("doctor")
    assert answer.code == 4
    assert answer.rows[0][0] == "error"
    assert answer.rows[0][2]


@pytest.mark.parametrize("command", [("add", "x"), ("search", "x"), ("stats",)])
def test_a_foreign_file_is_refused_and_left_alone(
    engrams: Engrams, tmp_path: Path, command: tuple[str, ...]
) -> None:
    foreign = tmp_path / "notes.txt"
    foreign.write_text("not a memory\n" * 1000, encoding="utf-8")
    before = foreign.read_bytes()
    answer = engrams(*command, "--db", foreign)
    assert answer.code == 4
    assert str(foreign) in answer.err
    assert answer.err.count("\n") == 1
    assert foreign.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(engrams: Engrams, tmp_path: Path) -> None:
    answer = engrams("add", "x", "--db", tmp_path / "no" / "such" / "memory.db")
    assert answer.code in (0, 4)  # made, or refused with the path
    assert answer.code == 0 or "such" in answer.err
