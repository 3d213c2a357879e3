"""Arrays that only grow, and hand out slices that never change."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

Kind = TypeVar("Kind", bound=np.generic)

#: Room beyond what is needed when an array moves: appending stays linear, at most a quarter is spare.
SPARE_SHARE = 0.25
SPARE_LEAST = 64


class Growing(Generic[Kind]):
    """A one-dimensional array with room at its end; one thread at a time may extend it.

    What `taken` handed out keeps its values: growing writes behind it, `own` moves before it writes inside.
    """

    __slots__ = ("_array", "_shared", "size")

    def __init__(self, values: npt.NDArray[Kind], *, shared: bool = False) -> None:
        self._array = values
        self._shared = shared
        self.size = len(values)

    def extend(self, values: npt.NDArray[Any]) -> None:
        """Puts values at the end."""
        if not len(values):
            return
        size = self.size + len(values)
        if size > len(self._array):
            self._move(size + int(size * SPARE_SHARE) + SPARE_LEAST)
        self._array[self.size : size] = values
        self.size = size

    def taken(self) -> npt.NDArray[Kind]:
        """What is there now, read-only, for good."""
        self._shared = True
        now = self._array[: self.size]
        now.flags.writeable = False
        return now

    def now(self) -> npt.NDArray[Kind]:
        """What is there now, for reading at once: `own` may change it later."""
        return self._array[: self.size]

    def own(self) -> npt.NDArray[Kind]:
        """What is there now, for writing: nobody else holds it."""
        if self._shared:
            self._move(len(self._array))
        return self._array[: self.size]

    def _move(self, room: int) -> None:
        moved = np.empty(room, self._array.dtype)
        moved[: self.size] = self._array[: self.size]
        self._array = moved
        self._shared = False

    @property
    def nbytes(self) -> int:
        return self._array.nbytes
