"""Small numbers for names: codes that arrays can hold."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence

import numpy as np

from engrams.ports import Bool, Int32, Int64

#: From how many keys on the sorted table is used for all of them at once; below, one by one is faster.
MANY = 64
#: New keys kept in the dictionary before they are sorted into the table: 100 bytes each against 12.
FRESH_MOST = 8192


#: Longer texts are hashed by their digest: the others take four bytes a letter of the longest while they are hashed.
LONGEST_HASHED = 64
#: Fewer letters than this are multiplied in one go; more one column after the other, which needs no room.
AT_ONCE = 65_536


class Hashing:
    """64-bit hashes of many texts at once, by factors drawn from a key; the key is drawn by chance and kept with the arrays.

    Two of a million ids share one with a chance of 3 in 100 million, and nobody without the key can find two that do.
    Source: multilinear hashing, Carter and Wegman 1979.
    """

    __slots__ = ("_factors", "key")

    def __init__(self, key: int | None = None) -> None:
        self.key = secrets.randbits(64) if key is None else key
        drawn = np.random.default_rng(self.key).integers(0, 2**64, LONGEST_HASHED + 2, np.uint64)
        self._factors = drawn | np.uint64(1)

    def texts(self, values: Sequence[str]) -> Int64:
        """The hash of each text, int64[n]."""
        if not values:
            return np.empty(0, np.int64)
        width = max(map(len, values))
        if width > LONGEST_HASHED:
            values = [text if len(text) <= LONGEST_HASHED else self._digest(text) for text in values]
            width = LONGEST_HASHED
        width = max(width, 1)
        letters = np.array(values, dtype=f"<U{width}").view("<u4").reshape(len(values), width)
        out = (np.fromiter(map(len, values), np.uint64, len(values)) + np.uint64(1)) * self._factors[0]
        if letters.size <= AT_ONCE:
            out += (letters * self._factors[1 : width + 1]).sum(axis=1, dtype=np.uint64)
        else:
            for column, factor in zip(letters.T, self._factors[1:], strict=False):
                out += column * factor
        hashed: Int64 = out.view(np.int64)
        return hashed

    def pairs(self, first: Sequence[str], second: Sequence[str]) -> Int64:
        """The hash of each pair, int64[n]; pairs mostly repeat."""
        distinct = dict.fromkeys(zip(first, second, strict=True))
        if not distinct:
            return np.empty(0, np.int64)
        left, right = zip(*distinct, strict=True)
        made = self.texts(left).view(np.uint64) * self._factors[-1] + self.texts(right).view(np.uint64)
        of_pair = dict(zip(distinct, made.view(np.int64).tolist(), strict=True))
        return np.fromiter(map(of_pair.__getitem__, zip(first, second, strict=True)), np.int64, len(first))

    def pair(self, first: str, second: str) -> int:
        """The hash of one pair."""
        return int(self.pairs((first,), (second,))[0])

    def _digest(self, text: str) -> str:
        return hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"),
            key=self.key.to_bytes(8, "big"),
            digest_size=LONGEST_HASHED // 2,
        ).hexdigest()


class Codes:
    """Numbers keys by first appearance, without keeping what they stand for: 12 bytes a key.

    One thread at a time may assign; `find` may be called from any.
    """

    __slots__ = ("_fresh", "_table", "size")

    def __init__(self) -> None:
        # Keys ascending and their codes; replaced as one, so that `find` needs no lock.
        self._table: tuple[Int64, Int32] = (np.empty(0, np.int64), np.empty(0, np.int32))
        self._fresh: dict[int, int] = {}
        self.size = 0

    def find(self, key: int) -> int:
        """The code of a key, -1 where it has none."""
        code = self._fresh.get(key)
        if code is not None:
            return code
        keys, codes = self._table
        at = int(keys.searchsorted(np.int64(key)))
        return int(codes[at]) if at < len(keys) and keys[at] == key else -1

    def assign(self, keys: Int64) -> Int32:
        """The codes of keys; those not seen before get the next ones, in their order."""
        if len(keys) < MANY:
            return np.array([self._one(key) for key in keys.tolist()], dtype=np.int32)
        self._settle()
        codes, known = self._look_up(keys)
        if not known.all():
            _, first, inverse = np.unique(keys[~known], return_index=True, return_inverse=True)
            order = np.empty(len(first), np.int32)
            order[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
            codes[~known] = self.size + order[inverse]
            self._insert(keys[~known][first], self.size + order)
            self.size += len(first)
        return codes

    def compacted(self, used: Int64) -> Codes:
        """A table of the codes in use alone (ascending), renumbered from 0 in the same order."""
        self._settle()
        keys, codes = self._table
        place = np.searchsorted(used, codes)
        place[place == len(used)] = 0
        kept = used[place] == codes if len(used) else np.zeros(len(codes), np.bool_)
        other = Codes()
        other._table = (keys[kept], place[kept].astype(np.int32))
        other.size = len(used)
        return other

    def _one(self, key: int) -> int:
        code = self.find(key)
        if code < 0:
            if len(self._fresh) >= FRESH_MOST:
                self._settle()
            code = self._fresh[key] = self.size
            self.size += 1
        return code

    def _look_up(self, keys: Int64) -> tuple[Int32, Bool]:
        known, codes = self._table
        if not len(known):
            return np.full(len(keys), -1, np.int32), np.zeros(len(keys), np.bool_)
        place = np.searchsorted(known, keys)
        place[place == len(known)] = 0
        return codes[place], known[place] == keys

    def _settle(self) -> None:
        if self._fresh:
            keys = np.fromiter(self._fresh, np.int64, len(self._fresh))
            self._insert(keys, np.fromiter(self._fresh.values(), np.int32, len(self._fresh)))
            self._fresh = {}

    def _insert(self, keys: Int64, codes: Int32) -> None:
        together = np.concatenate([self._table[0], keys])
        order = np.argsort(together, kind="stable")
        self._table = together[order], np.concatenate([self._table[1], codes])[order]

    def settled(self) -> tuple[Int64, Int32]:
        """All keys, ascending, and their codes."""
        self._settle()
        return self._table

    @classmethod
    def of(cls, keys: Int64, codes: Int32, size: int) -> Codes:
        """What `settled` gave, and the `size`."""
        made = cls()
        made._table, made.size = (keys, codes), size
        return made

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self._table) + 100 * len(self._fresh)


class Names:
    """Numbers names that are few and must be read back: speakers, roles, kinds."""

    __slots__ = ("_codes", "_new", "_taken")

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._taken: tuple[str, ...] = tuple(names)
        self._codes: dict[str | None, int] = {name: code for code, name in enumerate(self._taken)}
        self._codes[None] = -1
        self._new: list[str] = []

    def assign(self, names: Sequence[str | None]) -> Int32:
        """The codes of names, -1 for none; new names get the next ones, in their order."""
        codes = self._codes
        for name in dict.fromkeys(names):
            if name is not None and name not in codes:
                codes[name] = len(codes) - 1
                self._new.append(name)
        return np.fromiter(map(codes.__getitem__, names), dtype=np.int32, count=len(names))

    def taken(self) -> tuple[str, ...]:
        """The names by code, as they are now."""
        if self._new:
            self._taken, self._new = (*self._taken, *self._new), []
        return self._taken


class Tables:
    """The codes of one scope; they only grow. `event` keeps its codes for good, for they order a thread."""

    CODES = ("event", "thread", "session", "agent", "run")
    NAMES = ("speaker", "role", "kind", "namespace")

    def __init__(self, key: int | None = None) -> None:
        self.hashing = Hashing(key)
        self.event, self.thread, self.session = Codes(), Codes(), Codes()
        self.agent, self.run = Codes(), Codes()
        self.speaker, self.role, self.kind, self.namespace = Names(), Names(), Names(), Names()

    @property
    def nbytes(self) -> int:
        return sum(c.nbytes for c in (self.event, self.thread, self.session, self.agent, self.run))
