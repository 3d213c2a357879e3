"""Words: terms, stems, scripts, names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrams.models.static_table import VOCABULARY
from engrams.words import LONGEST_WORD, Named, _english, fold, named, stem, term_hash, terms, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Caroline was painting sunsets", ["carolin", "paint", "sunset"]),
        ("What did she say about the picnics?", ["say", "picnic"]),
        ("I don't know; we're Anna's friends", ["know", "anna", "friend"]),
        ("Anna’s café, CAFÉ and cafe", ["anna", "cafe", "cafe", "cafe"]),
        ("1,000 is 1000, pi is 3.5", ["1000", "1000", "pi", "3.5"]),
        ("snake_case and x-ray", ["snake", "case", "x", "ray"]),
        ("five o'clock", ["five", "oclock"]),
        ("", []),
        ("... !? 🙂", []),
        ("the of and", []),
    ],
)
def test_terms_are_stems_of_content_words(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_scripts_without_spaces_become_characters_and_pairs() -> None:
    assert terms("我的上司") == ["我", "我的", "的", "的上", "上", "上司", "司"]
    assert terms("Mac用户") == ["mac", "用", "用户", "户"]
    assert terms("ab漢12") == ["ab", "漢", "12"]


def test_words_keep_their_vowel_signs() -> None:
    assert terms("नमस्ते दुनिया") == ["नमस्ते", "दुनिया"]
    assert words("שָׁלוֹם") == [fold("שָׁלוֹם")]


def test_other_languages_are_folded_and_not_torn() -> None:
    assert words("Größe ÄRGER Ёлка") == ["grosse", "arger", "елка"]


def test_one_letter_written_in_two_ways_is_one_term() -> None:
    assert terms("re\u0301sume\u0301") == terms("résumé") == terms("resume")


def test_words_that_the_stemmer_need_not_see_are_their_own_stems() -> None:
    stemmer = _english()
    pieces = VOCABULARY.read_text(encoding="utf-8").split()[::6]
    letters = "abcdefghijklmnopqrstuvwxyz"
    endings = [f"ration{a}{b}" for a in letters for b in letters]
    for word in {piece.removeprefix("##") for piece in pieces} | set(endings):
        if word.isascii() and word.isalpha() and word.islower():
            assert stem(word) == stemmer.stemWord(word)  # type: ignore[attr-defined]


def test_stems_leave_what_is_no_english_word() -> None:
    assert stem("running") == "run"
    assert stem("привет") == "привет"
    assert stem("12s") == "12s"


def test_endless_words_are_cut() -> None:
    assert [len(t) for t in terms("q" * 10_000)] == [LONGEST_WORD]


def test_hash_is_that_of_crc32() -> None:
    assert term_hash("123456789") == 0xCBF43926  # the check value of CRC-32
    assert term_hash("\ud800") != term_hash("")


@given(st.text())
def test_any_text_gives_terms_that_hash(text: str) -> None:
    for term in terms(text):
        assert term
        assert 0 <= term_hash(term) < 2**32


@given(st.text(alphabet="abcdefg hij'’,.é"))
def test_terms_do_not_depend_on_case(text: str) -> None:
    assert terms(text.upper()) == terms(text)


def test_names_are_found_by_first_name_nickname_and_possessive() -> None:
    people = ["Melanie Stone", "Caroline", "Sam"]
    assert named("What did Mel think of Caroline's picnic?", people) == [
        Named(0, 9, 12, "Mel"),
        Named(1, 22, 32, "Caroline's"),
    ]
    assert named("what did caroline say", people) == [Named(1, 9, 17, "caroline")]


def test_a_nickname_needs_a_capital_and_three_letters_and_is_no_stop_word() -> None:
    assert named("the cat sat, so did Ca", ["Catherine"]) == []
    assert named("Who are you?", ["Whoopi"]) == []
    assert named("And then?", ["Andrea"]) == []


def test_one_place_names_one_person() -> None:
    assert [n.name for n in named("Sam called", ["Samuel", "Sam"])] == [1]
    assert [n.name for n in named("Sam called", ["Samuel"])] == [0]
    assert [n.name for n in named("问张伟明", ["张伟", "张伟明"])] == [1]


def test_names_without_spaces_are_found_inside_a_sentence() -> None:
    assert named("请问张伟的家乡在哪里", ["李婷婷", "张伟"]) == [Named(1, 2, 4, "张伟")]
