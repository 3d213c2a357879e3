"""What the index keeps of an engram: its terms, its word pieces, two flags."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC

import numpy as np

from engrams.dates import dates_in, marks
from engrams.ports import HAS_ATTACHMENT, IS_QUESTION, Entry, TokenTable
from engrams.records import Engram
from engrams.words import name_hash, term_hash, terms

#: Largest count of one term that an entry holds (uint8); BM25 is flat long before.
MOST_COUNTED = 255

#: Question marks of Latin, Chinese and Japanese (full width), and Arabic writing.
_QUESTION_MARKS = ("?", "？", "؟")

#: How an attachment is named in the text of a message: `[image: cat.png]`, `[file]`.
_ATTACHMENT = re.compile(r"\[(?:image|audio|file|video)(?:: [^\]\n]*)?\]")


def indexed_text(engram: Engram) -> str:
    """What is looked up of an engram: its keys where it has some, else its content, behind the speaker's name.

    The name stands in the text as `Anna: …`, so that words find who said something as they find what was said.
    """
    text = "\n".join(engram.keys) if engram.keys else engram.content
    return f"{engram.speaker}: {text}" if engram.speaker else text


def analyse(engram: Engram, table: TokenTable) -> Entry:
    """The entry of one engram; pure, and the same in every process.

    The days that its content speaks of, resolved against its own time, are terms of their own (see `dates.marks`): they
    stand beside the words, count once each and make it no longer.
    """
    text = indexed_text(engram)
    found = [term_hash(term) for term in terms(text)]
    counted = Counter(found)
    said = engram.occurred_at.astimezone(UTC).date()
    counted.update(term_hash(mark) for mark in marks(dates_in(engram.content, said, told=True)))
    distinct = sorted(counted)
    content = engram.content.rstrip()
    flags = IS_QUESTION if content.endswith(_QUESTION_MARKS) else 0
    if "[" in content and _ATTACHMENT.search(content):
        flags |= HAS_ATTACHMENT
    return Entry(
        length=len(found),
        terms=np.array(distinct, dtype=np.uint32),
        counts=np.array([min(counted[term], MOST_COUNTED) for term in distinct], dtype=np.uint8),
        pieces=table.pieces(text),
        flags=flags,
    )


def with_names(entry: Entry, names: Sequence[str]) -> Entry:
    """The entry with what its text speaks of by name: terms with count 0, hashed apart from those of words.

    A count of 0 adds nothing to any score by words; `View.names` gives these terms back.
    """
    new = {name_hash(name) for name in names}.difference(entry.terms.tolist())
    terms = np.concatenate((entry.terms, np.array(sorted(new), dtype=np.uint32)))
    counts = np.concatenate((entry.counts, np.zeros(len(new), dtype=np.uint8)))
    order = np.argsort(terms, kind="stable")
    return replace(entry, terms=terms[order], counts=counts[order])


def analyse_all(engrams: Sequence[Engram], table: TokenTable) -> list[Entry]:
    """The entries of engrams, in their order."""
    return [analyse(engram, table) for engram in engrams]
