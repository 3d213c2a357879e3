"""Neighbours inside a thread: which row comes before which."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engrams.index.growing import Growing
from engrams.index.keeping import FEW_GAPS, Keeping
from engrams.ports import Int32, Int64


class Threads:
    """Previous and following row of every row, along its thread.

    Inside a thread rows stand in the order of their events' first appearance, then of their own: a corrected turn
    keeps the place of the turn that it corrects.
    """

    __slots__ = ("_last", "following", "previous")

    def __init__(self) -> None:
        self.previous: Growing[np.int32] = Growing(np.empty(0, np.int32))
        self.following: Growing[np.int32] = Growing(np.empty(0, np.int32))
        self._last: Growing[np.int32] = Growing(np.empty(0, np.int32))  # last row of each thread

    def extend(self, thread: Int32, event: Int32, count: int) -> None:
        """Takes in new rows: the codes of all rows so far, new ones at the end, and the number of threads."""
        start, size = self.previous.size, len(thread)
        self._last.extend(np.full(count - self._last.size, -1, np.int32))
        last = self._last.own()
        order = np.lexsort((event[start:], thread[start:])) + start
        own = thread[order]
        begins = np.ones(len(order), np.bool_)
        begins[1:] = own[1:] != own[:-1]
        before = np.empty(len(order), np.int32)
        before[1:] = order[:-1]
        before[begins] = last[own[begins]]
        known = before >= 0
        if (event[before[known]] > event[order[known]]).any():
            self.relink(thread, event, count)
            return
        previous = np.empty(size - start, np.int32)
        previous[order - start] = before
        self.previous.extend(previous)
        self.following.extend(np.full(size - start, -1, np.int32))
        self.following.own()[before[known]] = order[known]
        ends = np.append(begins[1:], True)
        last[own[ends]] = order[ends]

    def kept(self, keep: Keeping, thread: Int32, event: Int32, before: Int32) -> Threads:
        """The links of the rows that stay: their threads' codes and events, and the codes of all rows before."""
        other = Threads()
        if len(keep.gone) > FEW_GAPS:
            other.relink(thread, event, self._last.size)
            return other
        previous, following, last = (
            self.previous.now().copy(),
            self.following.now().copy(),
            self._last.now().copy(),
        )
        for row in keep.gone.tolist():
            left, right = previous[row], following[row]
            if left >= 0:
                following[left] = right
            if right >= 0:
                previous[right] = left
            else:
                last[before[row]] = left
        numbers = keep.numbers()
        other.previous = Growing(numbers[keep.of(previous)])
        other.following = Growing(numbers[keep.of(following)])
        other._last = Growing(numbers[last])
        return other

    def take(self, used: Int64) -> None:
        """Keeps the threads in use alone, in their order."""
        self._last = Growing(self._last.now()[used])

    def relink(self, thread: Int32, event: Int32, count: int) -> None:
        """Makes all links anew."""
        order = np.argsort((thread.astype(np.int64) << 32) | event, kind="stable").astype(np.int32)
        own = thread[order]
        same = own[1:] == own[:-1]
        previous, following = np.full(len(order), -1, np.int32), np.full(len(order), -1, np.int32)
        previous[order[1:][same]] = order[:-1][same]
        following[order[:-1][same]] = order[1:][same]
        last = np.full(count, -1, np.int32)
        ends = np.ones(len(order), np.bool_)
        ends[:-1] = ~same
        last[own[ends]] = order[ends]
        self.previous, self.following, self._last = Growing(previous), Growing(following), Growing(last)

    def packed(self) -> dict[str, Int32]:
        """Everything held, for `unpacked`."""
        return {
            "previous": self.previous.now(),
            "following": self.following.now(),
            "last of thread": self._last.now(),
        }

    @classmethod
    def unpacked(cls, held: Mapping[str, Int32]) -> Threads:
        """What `packed` gave; its arrays are not written to."""
        made = cls()
        made.previous = Growing(held["previous"], shared=True)
        made.following = Growing(held["following"], shared=True)
        made._last = Growing(held["last of thread"], shared=True)
        return made

    @property
    def nbytes(self) -> int:
        return self.previous.nbytes + self.following.nbytes + self._last.nbytes
