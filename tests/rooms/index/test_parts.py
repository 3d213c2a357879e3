"""Growing arrays, codes, links inside threads and postings, with values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from engrams.index.codes import Codes, Names
from engrams.index.growing import Growing
from engrams.index.keeping import Keeping, renumbered
from engrams.index.postings import SEGMENT_ROWS, Inverted, Segment, join, settled
from engrams.index.threads import Threads


def int32(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def test_what_was_handed_out_keeps_its_values() -> None:
    growing = Growing(int32(1, 2))
    first = growing.taken()
    growing.extend(int32(3))
    growing.own()[0] = 9
    assert first.tolist() == [1, 2]
    assert growing.taken().tolist() == [9, 2, 3]


@pytest.mark.parametrize("many", [1, 1000])
def test_codes_count_first_appearances(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    monkeypatch.setattr("engrams.index.codes.MANY", many)
    codes = Codes()
    assert codes.assign(np.array([70, 50, 70, 90])).tolist() == [0, 1, 0, 2]
    assert codes.assign(np.array([90, 10, 50])).tolist() == [2, 3, 1]
    assert [codes.find(key) for key in (70, 50, 90, 10, 11)] == [0, 1, 2, 3, -1]
    fewer = codes.compacted(np.array([1, 3]))
    assert [fewer.find(key) for key in (70, 50, 90, 10)] == [-1, 0, -1, 1]
    assert fewer.assign(np.array([70])).tolist() == [2]


def test_names_are_read_back_by_code() -> None:
    names = Names(["Anna"])
    assert names.assign([None, "Bob", "Anna", "Bob"]).tolist() == [-1, 1, 0, 1]
    before = names.taken()
    names.assign(["Cleo"])
    assert (before, names.taken()) == (("Anna", "Bob"), ("Anna", "Bob", "Cleo"))


def test_codes_without_rows_are_given_up() -> None:
    assert renumbered(int32(-1, 2, 0, 2), 3) is not None
    codes, used = renumbered(int32(-1, 2, 0, 2), 3) or (None, None)
    assert codes is not None and used is not None
    assert (codes.tolist(), used.tolist()) == ([-1, 1, 0, 1], [0, 2])
    assert renumbered(int32(0, 1), 2) is None


@pytest.mark.parametrize("few", [0, 64])
def test_rows_are_taken_out_of_values_of_any_length(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr("engrams.index.keeping.FEW_GAPS", few)
    keep = Keeping(np.array([True, False, True, False]))
    assert keep.of(int32(5, 6, 7, 8)).tolist() == [5, 7]
    stay, gone = keep.ragged(int32(1, 2, 3, 4, 5, 6), np.array([0, 1, 3, 3, 6]))
    assert (stay.tolist(), gone.tolist()) == ([1], [2, 3, 4, 5, 6])
    assert keep.numbers()[[0, 2, -1]].tolist() == [0, 1, -1]


def links(threads: Threads) -> tuple[list[int], list[int]]:
    return threads.previous.taken().tolist(), threads.following.taken().tolist()


def test_neighbours_stand_in_their_thread() -> None:
    threads = Threads()
    threads.extend(int32(0, 1, 0), int32(0, 1, 2), 2)
    assert links(threads) == ([-1, -1, 0], [2, -1, -1])
    threads.extend(int32(0, 1, 0, 1, 0), int32(0, 1, 2, 3, 4), 2)
    assert links(threads) == ([-1, -1, 0, 1, 2], [2, 3, 4, -1, -1])


def test_a_corrected_turn_keeps_its_place() -> None:
    """Row 3 is a new version of what row 1 was: it comes between rows 0 and 2."""
    threads = Threads()
    threads.extend(int32(0, 0), int32(0, 2), 1)
    threads.extend(int32(0, 0, 0), int32(0, 2, 1), 1)
    assert links(threads) == ([-1, 2, 0], [2, -1, 1])


@pytest.mark.parametrize("few", [0, 64])
def test_what_follows_the_last_of_a_thread_that_was_taken_out(
    monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("engrams.index.threads.FEW_GAPS", few)
    threads = Threads()
    threads.extend(int32(0, 1, 0), int32(0, 1, 2), 2)
    fewer = threads.kept(Keeping(np.array([True, True, False])), int32(0, 1), int32(0, 1), int32(0, 1, 0))
    assert links(fewer) == ([-1, -1], [-1, -1])
    fewer.extend(int32(0, 1, 0), int32(0, 1, 3), 2)
    assert links(fewer) == ([-1, -1, 0], [2, -1, -1])


def inverted(*postings: tuple[int, int, int]) -> Inverted:
    keys, rows, counts = zip(*postings, strict=True)
    return Inverted.of(np.array(keys, np.uint32), np.array(rows), np.array(counts, np.uint8))


def posted(look_up: Inverted, key: int) -> list[tuple[int, int]]:
    where = look_up.find(np.uint32(key))
    return list(zip(look_up.rows[where].tolist(), look_up.counts[where].tolist(), strict=True))


def test_postings_are_sorted_by_key_and_row() -> None:
    largest = 2**32 - 1
    look_up = inverted((largest, 3, 1), (7, 2, 255), (7, 0, 2), (0, SEGMENT_ROWS - 1, 1))
    assert look_up.keys.tolist() == [0, 7, largest]
    assert posted(look_up, 7) == [(0, 2), (2, 255)]
    assert posted(look_up, largest) == [(3, 1)]
    assert posted(look_up, 0) == [(SEGMENT_ROWS - 1, 1)]
    assert posted(look_up, 8) == []


@pytest.mark.parametrize("few", [0, 8])
def test_a_row_taken_out_of_postings(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr("engrams.index.postings.FEW_ROWS", few)
    look_up = inverted((5, 0, 1), (5, 1, 2), (5, 3, 4), (6, 1, 1), (9, 2, 3))
    fewer = look_up.kept(np.array([True, False, True, True]))
    assert fewer.keys.tolist() == [5, 9]
    assert (posted(fewer, 5), posted(fewer, 9)) == ([(0, 1), (2, 4)], [(1, 3)])


def test_two_segments_become_one() -> None:
    both = join(Segment(2, inverted((5, 0, 1), (6, 1, 2))), Segment(1, inverted((5, 0, 3))))
    assert both.size == 3
    assert (posted(both.terms, 5), posted(both.terms, 6)) == ([(0, 1), (2, 3)], [(1, 2)])


def test_segments_stay_few() -> None:
    """1,000 segments of 10 rows are joined as the bits of a counter are: never more than two of one size remain."""
    segments: list[Segment] = []
    for _ in range(1000):
        segments = settled([*segments, Segment(10, inverted((1, 0, 1)))])
    assert sum(s.size for s in segments) == 10_000
    assert len(segments) <= 10
    full = [Segment(SEGMENT_ROWS, inverted((1, 0, 1))), Segment(1, inverted((1, 0, 1)))]
    assert [s.size for s in settled(full)] == [SEGMENT_ROWS, 1]
    with pytest.raises(ValueError, match="at most"):
        Segment(SEGMENT_ROWS + 1, inverted((1, 0, 1)))
