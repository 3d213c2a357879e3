"""What is held in RAM and on disk: how much, how often it was used, and who goes first when there is no room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from engrams.errors import BadSetting

Order = Literal["lru", "lfu", "cost"]


@dataclass(slots=True)
class Use:
    """What is known of one block: its bytes, the milliseconds it saves when used, how often and when it was used last.

    `used` counts uses from 1 (its making is the first), `last` is the number of the use among all uses of the tier, `floor` what
    the tier had evicted when it was used last (see `cost`).
    """

    bytes: int
    saves: float
    used: int = 1
    last: int = 0
    floor: float = 0.0


def lru(use: Use) -> float:
    """Least recently used first."""
    return use.last


def lfu(use: Use) -> float:
    """Least frequently used first; of those the one that was used longest ago (by the order of a stable sort)."""
    return use.used


def cost(use: Use) -> float:
    """Least worth first: floor + uses · milliseconds saved / bytes.

    The floor is the worth of what went last when this one was used, so that what was worth much long ago ages. Source:
    Cherkasova 1998, "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy", section 3, with the
    milliseconds of a prefill for its cost.
    """
    return use.floor + use.used * use.saves / max(use.bytes, 1)


ORDERS: Mapping[str, Callable[[Use], float]] = MappingProxyType({"lru": lru, "lfu": lfu, "cost": cost})


class Tier:
    """The accounts of one tier with room for `most` bytes (None: no limit). It holds no block itself."""

    def __init__(self, most: int | None = None, order: Order = "lru") -> None:
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 0):
            raise BadSetting("bytes", most, "a whole number of bytes, 0 or more, or None")
        self.most, self.order = most, order
        self.uses: dict[str, Use] = {}
        self._clock, self._floor = 0, 0.0
        orders(order)

    @property
    def bytes(self) -> int:
        """What its blocks take together."""
        return sum(use.bytes for use in self.uses.values())

    def put(self, id: str, size: int, saves: float) -> None:
        """Takes a block into account; one that is there keeps its count of uses."""
        known = self.uses.get(id)
        self.uses[id] = Use(size, saves, known.used if known else 0)
        self.touch(id)

    def touch(self, id: str) -> None:
        """Counts a use of a block that is there."""
        use = self.uses[id]
        self._clock += 1
        use.used, use.last, use.floor = use.used + 1, self._clock, self._floor

    def drop(self, id: str) -> None:
        """Forgets a block; nothing where it is not there."""
        self.uses.pop(id, None)

    def leaving(
        self, most: int | None = None, order: Order | None = None, keep: Iterable[str] = ()
    ) -> list[str]:
        """Who must go so that at most `most` bytes stay (None: the tier's own limit), first who goes first; they are forgotten.

        `keep` are not let go, even where the limit is passed then.

        Raises:
            BadSetting: no such order.
        """
        worth = orders(order or self.order)
        limit = self.most if most is None else most
        if limit is None:
            return []
        gone, total, held = [], self.bytes, set(keep)
        ranked = sorted(self.uses.items(), key=lambda each: (worth(each[1]), each[1].last))
        for id, use in ranked:
            if total <= limit:
                break
            if id not in held:
                gone.append(id)
                total -= use.bytes
                self._floor = max(self._floor, cost(use))
        for id in gone:
            del self.uses[id]
        return gone


def orders(name: str) -> Callable[[Use], float]:
    """How an order ranks a block, the lowest going first.

    Raises:
        BadSetting: no such order.
    """
    if name not in ORDERS:
        raise BadSetting("order", name, ", ".join(map(repr, ORDERS)), "evict")
    return ORDERS[name]
