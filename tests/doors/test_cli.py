"""The command line as a person or a program meets it: every command, its columns, its JSON, its errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from engrams.serve.cli.commands import COMMANDS, root

Engrams = Callable[..., Any]

KEY = "The spare key is under the blue flower pot."
PLUMBER = "The plumber comes on Thursday at nine."
BOAT = "We bought the boat for six hundred pounds."


def ids(engrams: Engrams) -> dict[str, str]:
    """Event ids by text."""
    return {row[5]: row[4] for row in engrams("log").rows if row[1] == "message"}


# --- add, search, context


def test_what_was_added_is_found_with_everything_it_came_with(filled: Engrams) -> None:
    answer = filled("search", "where is the spare key?", "-k", "1", "--json")
    assert answer.code == 0
    assert answer.err == ""
    (hit,) = answer.json
    assert hit["text"] == KEY
    assert (hit["speaker"], hit["session"], hit["role"]) == ("Ada", "s1", "user")
    assert hit["metadata"] == {"topic": "house"}
    assert datetime.fromisoformat(hit["occurred_at"]) == datetime.fromisoformat("2024-03-01T00:00:00+00:00")
    assert hit["event_ids"] == [ids(filled)[KEY]]


def test_in_a_pipe_a_hit_is_a_line_of_six_columns(filled: Engrams) -> None:
    answer = filled("search", "spare key", "-k", "1")
    (row,) = answer.rows
    assert row[1:4] == ["2024-03-01T00:00:00+00:00", "Ada", "s1"]
    assert row[5] == KEY
    assert float(row[0]) == pytest.approx(
        filled("search", "spare key", "-k", "1", "--json").json[0]["score"], abs=1e-4
    )


def test_words_of_a_text_need_no_quotes(engrams: Engrams) -> None:
    assert engrams("add", "Anna", "moved", "to", "Porto.").code == 0
    assert engrams("search", "where", "did", "Anna", "move").rows[0][5] == "Anna moved to Porto."


def test_a_text_on_one_line_keeps_its_column(engrams: Engrams) -> None:
    engrams("add", "first\tline\nsecond line\x1b[31m")
    assert engrams("search", "second line").rows[0][5] == "first line second line\\x1b[31m"
    assert engrams("search", "second line", "--json").json[0]["text"] == "first\tline\nsecond line\x1b[31m"


def test_add_prints_the_id_that_show_takes(engrams: Engrams) -> None:
    added = engrams("add", KEY, "--role", "assistant")
    (id,) = added.lines
    assert "Remembered in default" in added.err
    shown = engrams("show", id, "--json").json
    assert (shown["type"], shown["id"], shown["content"], shown["role"]) == ("event", id, KEY, "assistant")
    assert ["content", KEY] in engrams("show", id).rows


def test_quiet_leaves_only_the_result(engrams: Engrams) -> None:
    assert engrams("add", KEY, "--quiet").err == ""


def test_the_same_idempotency_key_writes_once(engrams: Engrams) -> None:
    first = engrams("add", KEY, "--idempotency-key", "k1", "--json").json
    again = engrams("add", KEY, "--idempotency-key", "k1", "--json").json
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert again["event_ids"] == first["event_ids"]
    assert engrams("stats", "--json").json["events"] == 1


def test_metadata_of_any_type_travels_unchanged(engrams: Engrams) -> None:
    engrams("add", BOAT, "--meta", "version=1.10", "--meta", '{"price": 600, "tags": ["a", "b"]}')
    hit = engrams("search", "boat", "--json").json[0]
    assert hit["metadata"] == {"version": "1.10", "price": 600, "tags": ["a", "b"]}


def test_a_context_in_a_pipe_is_its_text_alone(filled: Engrams) -> None:
    document = filled("context", "where is the spare key?", "--budget", "200", "--json").json
    piped = filled("context", "where is the spare key?", "--budget", "200")
    assert piped.out == document["text"] + "\n"
    assert piped.err == ""
    assert document["found"] is True
    assert 0 < document["price"]["tokens"] <= 200
    assert document["price"]["model_calls"] == 0
    cited = {id for c in document["citations"] for id in c["event_ids"]}
    assert ids(filled)[KEY] in cited


def test_explain_shows_signals_and_steps(filled: Engrams) -> None:
    assert filled("search", "key", "--json").json[0]["signals"] == {}
    assert filled("search", "key", "--explain", "--json").json[0]["signals"] != {}
    assert len(filled("context", "key", "--explain", "--json").json["trace"]) > 1


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (("--filter", "speaker=Ben"), {PLUMBER}),
        (("--filter", "topic=house"), {KEY, PLUMBER}),
        (("--filter", "topic!=house"), {BOAT}),
        (("--filter", "topic~oa"), {BOAT}),
        (("--filter", "topic=house", "--filter", "speaker=Ada"), {KEY}),
        (("--filter", '{"topic": {"in": ["boat", "car"]}}'), {BOAT}),
        (("--since", "2024-04-01"), {PLUMBER, BOAT}),
        (("--until", "2024-04-01"), {KEY, PLUMBER}),
        (("--since", "2024-04-01", "--until", "2024-04-01"), {PLUMBER}),
        (("--as-of", "2024-04-15", "--as-of-by", "occurred"), {KEY, PLUMBER}),
        (("--as-of", "2020-01-01"), set()),
        (("--session", "s1"), {KEY, PLUMBER, BOAT}),
        (("--session", "another"), set()),
    ],
)
def test_what_bounds_a_search(filled: Engrams, options: tuple[str, ...], texts: set[str]) -> None:
    answer = filled("search", "key plumber boat", *options, "--json")
    assert answer.code == 0, answer.err
    assert {hit["text"] for hit in answer.json} == texts


def test_a_number_is_found_as_number_and_as_text(engrams: Engrams) -> None:
    engrams("add", "cheap boat", "--meta", '{"price": 5}')
    engrams("add", "dear boat", "--meta", "price=50")
    for condition, expected in (
        ("price=5", {"cheap boat"}),
        ("price=50", {"dear boat"}),
        ("price<=5", {"cheap boat"}),
    ):
        found = engrams("search", "boat", "--filter", condition, "--json").json
        assert {hit["text"] for hit in found} == expected, condition


def test_nothing_found_says_where_else_to_look(engrams: Engrams) -> None:
    engrams("add", KEY, "--user", "ada")
    answer = engrams("search", "key")
    assert (answer.code, answer.out) == (0, "")
    assert "--namespace ada" in answer.err
    assert engrams("search", "key", "--json").json == []


# --- the options of every command


@pytest.mark.parametrize("before", [True, False])
def test_shared_options_stand_before_and_after(engrams: Engrams, tmp_path: Path, before: bool) -> None:
    shared = ("--db", str(tmp_path / "other.db"), "--user", "ada", "--json")

    def call(*command: str) -> Any:
        return engrams(*shared, *command) if before else engrams(*command, *shared)

    assert call("add", KEY).json["namespace"] == "ada"
    assert [hit["text"] for hit in call("search", "key").json] == [KEY]
    assert (tmp_path / "other.db").exists()
    assert not (tmp_path / "memory.db").exists()


def test_what_stands_after_the_command_wins(engrams: Engrams) -> None:
    assert engrams("--user", "ada", "add", KEY, "--user", "ben", "--json").json["namespace"] == "ben"


def test_scopes_bound_reading_and_writing(engrams: Engrams) -> None:
    engrams("add", "one", "--namespace", "acme", "--user", "ada")
    engrams("add", "two", "--namespace", "acme/ben", "--agent", "a1", "--run", "r1")
    engrams("add", "three")
    assert engrams("namespaces").lines == ["acme/ada", "acme/ben", "default"]
    assert engrams("--json", "namespaces").json == ["acme/ada", "acme/ben", "default"]

    def texts(*options: str) -> set[str]:
        return {json.loads(line)["content"] for line in engrams("log", "--json", *options).lines}

    assert texts() == {"three"}
    assert texts("--namespace", "acme/*") == {"one", "two"}
    assert texts("--namespace", "acme/*", "--agent", "a1") == {"two"}
    assert texts("--namespace", "acme/ben", "--run", "r2") == set()
    assert engrams("stats", "--json").json["events"] == 3
    assert engrams("stats", "--json", "--user", "ada", "--namespace", "acme").json["events"] == 1


def test_subcommands_of_subcommands_take_them_too(engrams: Engrams) -> None:
    card = engrams("recipes", "show", "engrams", "--json").json
    assert card["name"] == "engrams"
    assert engrams("--json", "recipes", "show", "engrams").json == card
    assert engrams("recipes", "--json", "show", "engrams").json == card


# --- log, show, history, update, delete, pin


def test_the_log_pages_forwards_and_backwards(engrams: Engrams) -> None:
    for number in range(5):
        engrams("add", f"number {number}")
    assert [row[5] for row in engrams("log", "--limit", "2").rows] == ["number 0", "number 1"]
    assert [row[5] for row in engrams("log", "--limit", "2", "--newest-first").rows] == [
        "number 4",
        "number 3",
    ]
    assert "There is more" in engrams("log", "--limit", "4").err
    assert engrams("log", "--limit", "5").err == ""
    assert [json.loads(line)["content"] for line in engrams("log", "--all", "--json").lines] == [
        f"number {number}" for number in range(5)
    ]


def test_a_correction_is_found_and_the_old_text_is_in_the_history(filled: Engrams) -> None:
    id = ids(filled)[KEY]
    new = "The spare key lies with Mrs Hill now."
    assert filled("update", id, new, "--reason", "moved").code == 0
    found = [hit["text"] for hit in filled("search", "spare key", "--json").json]
    assert new in found
    assert KEY not in found
    versions = filled("history", id, "--json").json
    assert [(v["version"], v["content"]) for v in versions] == [(1, KEY), (2, new)]
    assert versions[1]["reason"] == "moved"
    assert [row[6] for row in filled("history", id).rows] == [KEY, new]


def test_deleting_removes_and_says_what(filled: Engrams) -> None:
    id = ids(filled)[KEY]
    receipt = filled("delete", id, "--yes", "--json").json
    assert receipt["events"] == [id]
    assert len(receipt["engrams"]) >= 1
    assert KEY not in [hit["text"] for hit in filled("search", "spare key", "--json").json]
    assert filled("show", id).code == 3


def test_deleting_several_stops_before_the_first_unknown_id(filled: Engrams) -> None:
    id = ids(filled)[KEY]
    answer = filled("delete", id, "no-such-id", "--yes")
    assert answer.code == 3
    assert "no-such-id" in answer.err
    assert filled("show", id).code == 0


def test_nothing_is_deleted_where_nobody_can_be_asked(filled: Engrams) -> None:
    id = ids(filled)[KEY]
    answer = filled("delete", id)
    assert answer.code == 2
    assert "--yes" in answer.err
    assert filled("show", id).code == 0


def test_delete_all_wants_to_know_what(filled: Engrams) -> None:
    filled("add", "elsewhere", "--user", "ada")
    assert "--namespace default" in filled("delete-all", "--yes").err
    assert filled("delete-all", "--namespace", "default", "--yes", "--json").json["events"] != []
    assert filled("log").out == ""
    assert len(filled("log", "--user", "ada").lines) == 1


def test_a_pin_shows_in_what_is_found_and_can_be_taken_back(filled: Engrams) -> None:
    id = ids(filled)[KEY]
    assert filled("pin", id).code == 0
    assert filled("search", "spare key", "-k", "1", "--json").json[0]["pinned"] is True
    assert filled("unpin", id).code == 0
    assert filled("search", "spare key", "-k", "1", "--json").json[0]["pinned"] is False
    assert [row[1] for row in filled("log").rows][-2:] == ["pin", "unpin"]


# --- about


def test_recipes_are_named_and_shown(engrams: Engrams) -> None:
    names = engrams("recipes", "--json").json
    assert "engrams" in names
    assert [row[0] for row in engrams("recipes").rows] == names
    assert engrams("recipes", "show", "engrams").out.startswith("engrams")
    shown = engrams("recipes", "show", "bm25")
    measured = engrams("recipes", "show", "bm25", "--json").json["measured"]
    assert measured and shown.out.count("% in ten hits") == len(measured)
    assert {"data", "row", "found", "given", "tokens", "milliseconds", "broad"} == set(measured[0])
    picture = engrams("recipes", "show", "engrams", "--svg").out
    assert picture.startswith("<svg ") and picture.rstrip().endswith("</svg>") and "WordScores" in picture
    wrong = engrams("recipes", "show", "engram")
    assert wrong.code == 2
    assert "did you mean 'engrams'" in wrong.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_of_a_shell(engrams: Engrams, shell: str) -> None:
    answer = engrams("completion", shell)
    assert answer.code == 0
    assert (
        f"_ENGRAMS_COMPLETE={shell}_complete" in answer.out.replace(" ", "")
        or f"{shell}_complete" in answer.out
    )
    assert engrams("completion", shell, "--json").json["script"] in answer.out


def test_version_is_printed_in_two_ways(engrams: Engrams) -> None:
    from engrams import __version__

    assert engrams("version").out == f"engrams {__version__}\n"
    assert engrams("--version").out == f"engrams {__version__}\n"
    assert engrams("version", "--json").json["engrams"] == __version__


def test_every_command_is_there_under_its_own_name_with_help(engrams: Engrams) -> None:
    listed = engrams("--help").out
    context = root.make_context("engrams", [], resilient_parsing=True)
    for section in COMMANDS.values():
        for name, (_, line) in section.items():
            made = root.get_command(context, name)
            assert made is not None
            assert made.name == name
            assert f"  {name} " in listed
            assert line.split(":")[0].split(";")[0] in " ".join(listed.split())
            help_of_it = engrams(name, "--help")
            assert help_of_it.code == 0
            assert "Options of every command" in help_of_it.out


def test_every_command_is_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    names = [name for section in COMMANDS.values() for name in section]
    assert [name for name in names if f"`engrams {name}" not in text] == []


def test_without_arguments_the_help_is_shown(engrams: Engrams) -> None:
    answer = engrams()
    assert answer.code == 0
    assert "engrams demo" in answer.out
