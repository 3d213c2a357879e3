"""What one caller may ask of the server: the sizes, times and rates, and the bucket that counts."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields

from engrams.errors import BadSetting, RateLimited

MIB = 1024 * 1024
#: Callers whose rate is remembered; whoever was quiet longest is forgotten first, and begins with a full bucket.
MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the server; every one a positive number.

    `body_bytes`: of a JSON body; `upload_bytes`: of a file sent to be imported. `rate`: requests a second that one key (without
    keys, one address) may go on asking, `burst`: how many at once. `threads`: calls on the memory that run at the same
    time. `read_seconds`: the longest pause while a request comes in; `write_seconds`: while an answer is taken.
    """

    body_bytes: int = 16 * MIB
    upload_bytes: int = 1024 * MIB
    rate: float = 1000.0
    burst: int = 2000
    threads: int = 16
    read_seconds: float = 30.0
    write_seconds: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise BadSetting(field.name, value, "a number above 0")


class Rates:
    """A token bucket for each caller: `burst` tokens at first, `rate` more each second, one for each request."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # caller: (tokens, when counted)
        self._lock = threading.Lock()

    def take(self, caller: str) -> None:
        """Takes one token.

        Raises:
            RateLimited: none is left; says after how many seconds one will be.
        """
        with self._lock:
            now = self._clock()
            tokens, counted = self._left.pop(caller, (float(self._burst), now))
            tokens = min(float(self._burst), tokens + (now - counted) * self._rate)
            enough = tokens >= 1
            self._left[caller] = (tokens - 1 if enough else tokens, now)
            if len(self._left) > MOST_BUCKETS:
                self._left.popitem(last=False)
        if not enough:
            wait = (1 - tokens) / self._rate
            raise RateLimited(
                f"too many requests: {self._rate:g} a second, {self._burst} at once; wait {wait:.2f} s", wait
            )
