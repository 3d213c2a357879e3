"""Word pieces, on a vocabulary small enough to follow by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrams.models.wordpiece import LONGEST_WORD, WordPiece, split

VOCABULARY = ["[PAD]", "[UNK]", "un", "##aff", "##able", "aff", "##ably", ",", "漢", "cafe", "##s"]


@pytest.fixture
def pieces() -> WordPiece:
    return WordPiece(VOCABULARY)


def test_the_longest_piece_goes_first(pieces: WordPiece) -> None:
    assert pieces.ids("unaffable") == [2, 3, 4]
    assert pieces.ids("Aff, cafés") == [5, 7, 9, 10]


def test_a_word_without_pieces_is_unknown_as_a_whole(pieces: WordPiece) -> None:
    assert pieces.ids("unaffx") == [1]
    assert pieces.ids("un" * LONGEST_WORD) == [1]


def test_words_are_remembered(pieces: WordPiece) -> None:
    assert pieces.word_ids("unaffable") is pieces.word_ids("unaffable")


def test_han_characters_and_punctuation_stand_alone(pieces: WordPiece) -> None:
    assert split("漢字ab, c—d") == ["漢", "字", "ab", ",", "c", "—", "d"]
    assert pieces.ids("漢aff") == [8, 5]


@given(st.text())
def test_any_text_is_split(text: str) -> None:
    for word in split(text):
        assert word and not any(letter.isspace() for letter in word)


@given(st.text(st.characters(max_codepoint=126)))
def test_ascii_is_split_as_any_text_is(text: str) -> None:
    assert split(text) == split(text + " é")[:-1]
