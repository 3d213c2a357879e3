"""What the index keeps of an engram: its terms, its word pieces, two flags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC

import numpy as np
import numpy.typing as npt

from engrams.dates import dates_in, marks
from engrams.ports import HAS_ATTACHMENT, IS_QUESTION, Entry, TokenTable, UInt32
from engrams.records import Engram
from engrams.words import name_hash, term_hash, term_hashes

#: Largest count of one term that an entry holds (uint8); BM25 is flat long before.
MOST_COUNTED = 255

_TEXT_SHIFT = np.uint64(32)

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
    """The entry of one engram; pure, and the same in every process."""
    return analyse_all([engram], table)[0]


def analyse_all(engrams: Sequence[Engram], table: TokenTable) -> list[Entry]:
    """The entries of engrams, in their order; pure, and the same in every process.

    The days that its content speaks of, resolved against its own time, are terms of their own (see `dates.marks`): they
    stand beside the words, count once each and make it no longer.
    """
    if not engrams:
        return []
    hashes: list[int] = []
    ends: list[int] = []
    lengths: list[int] = []
    for engram in engrams:
        found = term_hashes(indexed_text(engram))
        said = engram.occurred_at.astimezone(UTC).date()
        hashes += found
        hashes += map(term_hash, marks(dates_in(engram.content, said, told=True)))
        lengths.append(len(found))
        ends.append(len(hashes))
    terms, counts, bounds = _counted(hashes, ends)
    return [
        Entry(length, terms[begin:end], counts[begin:end], table.pieces(indexed_text(engram)), _flags(engram))
        for engram, length, begin, end in zip(engrams, lengths, bounds, bounds[1:], strict=False)
    ]


def _counted(hashes: list[int], ends: list[int]) -> tuple[UInt32, npt.NDArray[np.uint8], list[int]]:
    """Distinct hashes of each text, ascending, and their counts, with the bounds of the texts in both: [len(ends) + 1].

    `hashes` of one text after the other, `ends` where each of them ends.
    """
    texts = np.repeat(np.arange(len(ends), dtype=np.uint64), np.diff(np.array([0, *ends])))
    packed = (texts << _TEXT_SHIFT) | np.fromiter(hashes, np.uint64, len(hashes))
    distinct, counts = np.unique(packed, return_counts=True)
    bounds = np.searchsorted(distinct, np.arange(len(ends) + 1, dtype=np.uint64) << _TEXT_SHIFT)
    terms = distinct.astype(np.uint32)  # the lower half
    return terms, np.minimum(counts, MOST_COUNTED).astype(np.uint8), bounds.tolist()


def _flags(engram: Engram) -> int:
    content = engram.content.rstrip()
    flags = IS_QUESTION if content.endswith(_QUESTION_MARKS) else 0
    if "[" in content and _ATTACHMENT.search(content):
        flags |= HAS_ATTACHMENT
    return flags


def with_names(entry: Entry, names: Sequence[str]) -> Entry:
    """The entry with what its text speaks of by name: terms with count 0, hashed apart from those of words.

    A count of 0 adds nothing to any score by words; `View.names` gives these terms back.
    """
    new = {name_hash(name) for name in names}.difference(entry.terms.tolist())
    terms = np.concatenate((entry.terms, np.array(sorted(new), dtype=np.uint32)))
    counts = np.concatenate((entry.counts, np.zeros(len(new), dtype=np.uint8)))
    order = np.argsort(terms, kind="stable")
    return replace(entry, terms=terms[order], counts=counts[order])
