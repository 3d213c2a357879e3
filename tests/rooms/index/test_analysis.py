"""What the index keeps of a text, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engrams.index.analysis import MOST_COUNTED, analyse, analyse_all, indexed_text, with_names
from engrams.ports import HAS_ATTACHMENT, IS_QUESTION
from engrams.words import name_hash, term_hash
from tests.rooms.index.fake_store import FakeTable, turn


def counted(text: str, **fields: object) -> dict[int, int]:
    entry = analyse(replace(turn(text, event="e"), **fields), FakeTable())
    return dict(zip(entry.terms.tolist(), entry.counts.tolist(), strict=True))


def test_terms_are_stems_with_their_counts() -> None:
    entry = analyse(turn("The dog barked at the dogs", event="e"), FakeTable())
    assert counted("The dog barked at the dogs") == {term_hash("dog"): 2, term_hash("bark"): 1}
    assert entry.length == 3
    assert entry.terms.tolist() == sorted(entry.terms.tolist())
    assert (entry.terms.dtype, entry.counts.dtype, entry.pieces.dtype) == (np.uint32, np.uint8, np.uint16)


def test_who_speaks_is_found_by_name() -> None:
    anna = turn("Hello there", event="e", speaker="Anna")
    assert indexed_text(anna) == "Anna: Hello there"
    assert counted("Hello", speaker="Anna") == {term_hash("anna"): 1, term_hash("hello"): 1}


def test_keys_are_indexed_instead_of_the_content() -> None:
    note = replace(turn("What is kept", event="e"), keys=("red bicycle", "Rome"))
    assert indexed_text(note) == "red bicycle\nRome"


def test_an_empty_text_has_an_empty_entry() -> None:
    entry = analyse(turn("", event="e"), FakeTable())
    assert (entry.length, len(entry.terms), len(entry.counts), len(entry.pieces), entry.flags) == (
        0,
        0,
        0,
        0,
        0,
    )


def test_a_count_stops_where_its_byte_ends() -> None:
    entry = analyse(turn("dog " * 300, event="e"), FakeTable())
    assert (entry.counts.tolist(), entry.length) == ([MOST_COUNTED], 300)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("Where is it? ", IS_QUESTION),
        ("在哪里？", IS_QUESTION),
        ("Is it? No.", 0),
        ("Look [image: cat.png] at that?", IS_QUESTION | HAS_ATTACHMENT),
        ("[file]", HAS_ATTACHMENT),
        ("[filed] under [note: x]", 0),
    ],
)
def test_flags(text: str, flags: int) -> None:
    assert analyse(turn(text, event="e"), FakeTable()).flags == flags


def test_names_stand_among_the_terms_with_count_0() -> None:
    made = analyse(turn("Anna saw Bern", event="e"), FakeTable())
    named = with_names(made, ("Bern", "Anna Berg", "BERN"))
    assert len(named.terms) == len(made.terms) + 2
    assert (np.diff(named.terms.astype(np.int64)) > 0).all()
    held = dict(zip(named.terms.tolist(), named.counts.tolist(), strict=True))
    assert [held[name_hash(name)] for name in ("bern", "anna berg")] == [0, 0]
    assert held[term_hash("bern")] == 1  # as a word
    assert (named.length, with_names(made, ()).terms.tolist()) == (made.length, made.terms.tolist())


def test_many_texts_at_once_give_what_each_gives_alone() -> None:
    many = [turn(text, event=f"e{n}") for n, text in enumerate(("dog dogs cat", "", "cat", "the of"))]
    entries = analyse_all(many, FakeTable())
    dog, cat = term_hash("dog"), term_hash("cat")
    held = [dict(zip(e.terms.tolist(), e.counts.tolist(), strict=True)) for e in entries]
    assert held == [{dog: 2, cat: 1}, {}, {cat: 1}, {}]
    assert [e.length for e in entries] == [3, 0, 1, 0]
    assert analyse_all([], FakeTable()) == []
