"""The reversible spelling of what a database cannot hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engrams.ingest.text import MARK, excerpt, original, storable

HARD = st.text(
    st.characters(exclude_categories=()) | st.sampled_from(["\x00", "\ud800", "\udfff", MARK, "0", "f"])
)


@given(HARD)
def test_whatever_is_stored_comes_back(text: str) -> None:
    stored = storable(text)
    assert "\x00" not in stored and stored.encode("utf-8").decode("utf-8") == stored
    assert original(stored) == text


def test_the_spelling_is_the_mark_and_four_digits() -> None:
    assert storable("a\x00b\ud83d") == f"a{MARK}0000b{MARK}d83d"
    assert storable(f"{MARK}0000") == f"{MARK}fdd00000"
    assert storable("naïve 🦊") == "naïve 🦊"


def test_an_excerpt_is_short_and_printable() -> None:
    assert excerpt("short") == "short"
    assert excerpt("a\nb\ud83d") == r"a\nb\ud83d"
    assert excerpt("x" * 100, 10) == "xxxxxxxxx…"
