"""What `Memory.add` takes, and what it says of what it cannot take."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrams.errors import BadSetting
from engrams.ingest import normalise
from engrams.records import Attachment, Message


def test_a_text_is_a_message_of_the_user() -> None:
    assert normalise("I moved to Porto.") == [Message("user", "I moved to Porto.")]


def test_a_message_keeps_what_it_carries_and_a_naive_time_is_utc() -> None:
    told = {
        "role": "user",
        "name": "Mara",
        "content": "Hello",
        "timestamp": "2024-05-01T10:22:00",
        "session": "kitchen",
        "metadata": {"mood": ["calm", 1, None]},
    }
    at = datetime(2024, 5, 1, 10, 22, tzinfo=UTC)
    assert normalise(told) == [Message("user", "Hello", "Mara", at, "kitchen", {"mood": ["calm", 1, None]})]


def test_a_list_keeps_its_order_and_defaults_fill_only_what_is_missing() -> None:
    at = datetime(2024, 1, 2, tzinfo=UTC)
    items: list[Any] = [
        "one",
        {"role": "assistant", "content": "two", "session": "own", "metadata": {"a": 2}},
    ]
    one, two = normalise(items, session="shared", occurred_at=at, metadata={"a": 1, "b": 1})
    assert one == Message("user", "one", None, at, "shared", {"a": 1, "b": 1})
    assert two == Message("assistant", "two", None, at, "own", {"a": 2, "b": 1})


@pytest.mark.parametrize(
    "timestamp",
    [
        1714558920,
        1714558920.0,
        1714558920000,
        1714558920000000,
        1714558920000000000,
        "1714558920",
        "1714558920.0",
        "2024-05-01T10:22:00Z",
        "2024-05-01T12:22:00+02:00",
        "2024-05-01 10:22",
        datetime(2024, 5, 1, 10, 22),
        datetime(2024, 5, 1, 10, 22, tzinfo=UTC),
    ],
)
def test_times_in_every_usual_form_are_one_moment(timestamp: object) -> None:
    (message,) = normalise({"role": "user", "content": "x", "timestamp": timestamp})
    assert message.occurred_at == datetime(2024, 5, 1, 10, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    "timestamp",
    [
        "yesterday-ish",
        "",
        "0000-01-01",
        "10000-01-01",
        "9999-12-31T23:59:59-05:00",
        "0001-01-01T00:00:00+05:00",
        -1e20,
        1e30,
        10**400,
        float("nan"),
        float("inf"),
        True,
        [2024],
        {"year": 2024},
    ],
)
def test_an_absurd_time_is_refused_where_it_stands(timestamp: object) -> None:
    with pytest.raises(BadSetting, match=r"messages\[1\]\.timestamp") as caught:
        normalise(["fine", {"role": "user", "content": "x", "timestamp": timestamp}])
    assert caught.value.value is timestamp


@pytest.mark.parametrize("year", [1, 9999])
def test_the_first_and_the_last_year_are_kept(year: int) -> None:
    (message,) = normalise({"role": "user", "content": "x", "timestamp": f"{year:04}-06-01T00:00:00"})
    assert message.occurred_at == datetime(year, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (None, "messages "),
        (42, "messages "),
        (b"bytes", "messages "),
        ({"a", "b"}, "messages "),
        ([], "messages "),
        ("", "messages "),
        (" \n\t", "messages "),
        ([None], r"messages\[0\] "),
        (["ok", 1], r"messages\[1\] "),
        ({}, r"messages\.role"),
        ({"content": "x"}, r"messages\.role"),
        ({"role": "user"}, r"messages\.content"),
        ({"role": "user", "content": ""}, r"messages\.content"),
        ({"role": "user", "content": []}, r"messages\.content"),
        ({"role": "user", "content": 7}, r"messages\.content"),
        ({"role": "", "content": "x"}, r"messages\.role"),
        ({"role": 5, "content": "x"}, r"messages\.role"),
        ({"role": "r" * 201, "content": "x"}, r"messages\.role"),
        ({"role": "user", "content": "x", "name": 3}, r"messages\.name"),
        ({"role": "user", "content": "x", "session": ["a"]}, r"messages\.session"),
        ({"role": "user", "content": "x", "metadata": "m"}, r"messages\.metadata"),
        ({"role": "user", "content": "x", "metadata": {1: 2}}, r"messages\.metadata key"),
        ({"role": "user", "content": "x", "metadata": {"a": [object()]}}, r"messages\.metadata\.a\[0\]"),
        ({"role": "user", "content": "x", "metadata": {"a": float("nan")}}, r"messages\.metadata\.a"),
        ({"role": "user", "content": [{"type": "hologram"}]}, r"messages\.content\[0\]\.type"),
        ({"role": "user", "content": [{"type": "text", "text": 5}]}, r"messages\.content\[0\]\.text"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, r"messages\.content\[0\]"),
        ({"role": "user", "content": "x", "tool_calls": [{"id": "1"}]}, r"messages\.tool_calls\[0\]"),
        ({"role": "user", "content": "x", "attachments": "cat.png"}, r"messages\.attachments"),
    ],
)
def test_what_cannot_be_a_message_is_named_with_its_place(value: object, where: str) -> None:
    with pytest.raises(BadSetting, match=f"^{where}") as caught:
        normalise(value)
    assert "found" in str(caught.value) and "expected" in str(caught.value)


def test_metadata_nested_without_end_is_refused_and_deep_metadata_is_kept() -> None:
    deep: Any = {"leaf": 1}
    for _ in range(60):
        deep = {"in": deep}
    assert normalise({"role": "user", "content": "x", "metadata": deep})[0].metadata == deep
    endless: dict[str, Any] = {}
    endless["self"] = endless
    with pytest.raises(BadSetting, match="64"):
        normalise({"role": "user", "content": "x", "metadata": endless})


def test_images_sounds_and_files_are_referred_to_and_named_in_the_text() -> None:
    parts = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a/cat%20one.png?size=2"}},
        {"type": "input_audio", "input_audio": {"data": "aGVsbG8=", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-9", "filename": "plan.pdf"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}},
    ]
    (message,) = normalise({"role": "user", "content": parts})
    digest = hashlib.sha256(b"hello").hexdigest()
    named = f"audio/wav, 5 bytes, sha256 {digest[:12]}"
    assert message.content.split("\n") == [
        "Look:",
        "[image: cat one.png]",
        f"[audio: {named}]",
        "[file: plan.pdf]",
        f"[image: {named.replace('audio/wav', 'image/png')}]",
    ]
    assert message.attachments == (
        Attachment("image", "https://example.org/a/cat%20one.png?size=2", "cat one.png"),
        Attachment("audio", None, None, "audio/wav", digest, 5),
        Attachment("file", "file-9", "plan.pdf"),
        Attachment("image", None, None, "image/png", digest, 5),
    )


def test_a_data_address_never_reaches_the_text() -> None:
    uri = "data:image/png;base64,aGVsbG8="
    (message,) = normalise({"role": "user", "content": [{"type": "input_image", "image_url": uri}]})
    assert "aGVsbG8" not in message.content and "data:" not in repr(message)
    assert message.attachments[0].bytes == 5
    with pytest.raises(BadSetting, match="base64"):
        normalise(
            {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,§"}]}
        )


def test_tool_calls_results_and_refusals_are_told_in_words() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Porto"}'}}
    asked, told, refused = normalise(
        [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "18 degrees"},
            {"role": "assistant", "content": None, "refusal": "I will not."},
        ]
    )
    assert asked.content == '[calls weather({"city": "Porto"})]' and asked.metadata == {"tool_calls": [call]}
    assert told.content == "18 degrees" and told.metadata == {"tool_call_id": "c1"}
    assert refused.content == "I will not."


def test_items_of_the_responses_form_and_blocks_of_the_anthropic_form() -> None:
    found = normalise(
        [
            {"type": "reasoning", "summary": []},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city": "Porto"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "18 degrees"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Mild."}]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "content": [{"type": "text", "text": "sunny"}],
                    },
                    {"type": "thinking", "thinking": "hm"},
                ],
            },
        ]
    )
    assert [(m.role, m.content) for m in found] == [
        ("assistant", '[calls weather({"city": "Porto"})]'),
        ("tool", "18 degrees"),
        ("assistant", "Mild."),
        ("user", "sunny"),
    ]
    assert found[0].speaker is None and found[0].metadata == {"call_id": "c1"}


def test_the_id_and_unknown_keys_of_a_message_are_kept() -> None:
    (message,) = normalise(
        {"role": "user", "content": "x", "id": "m7", "colour": "red", "metadata": {"a": 1}}
    )
    assert message.metadata == {"source_id": "m7", "colour": "red", "a": 1}


def test_records_pass_as_they_are_and_are_held_to_the_same_rules() -> None:
    record = Message(
        "user", "x", "Mara", datetime(2024, 1, 1), "s", {"a": 1}, (Attachment("image", "cat.png"),)
    )
    (passed,) = normalise(record)
    assert passed.occurred_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert (passed.content, passed.speaker, passed.attachments) == ("x", "Mara", record.attachments)
    with pytest.raises(BadSetting, match="content"):
        normalise(Message("user", ""))


@pytest.mark.parametrize(
    "text", ["nul \x00 inside", "half \ud83d emoji", "🦊👩‍👩‍👧", "שלום עולם", "x" * 10_000_000]
)
def test_hard_text_comes_through_unchanged(text: str) -> None:
    assert normalise([{"role": "user", "content": text}])[0].content == text


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "timestamp", "metadata", "image_url", "url", "name", "x"]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(JSON_LIKE)
def test_anything_at_all_is_read_or_refused_by_name(value: object) -> None:
    try:
        found = normalise(value)
    except BadSetting:
        return
    assert all(m.role for m in found)
    assert any(m.content.strip() for m in found)
