"""Who goes first when there is no room: orders worked out by hand."""

from __future__ import annotations

import pytest

from engrams.errors import BadSetting
from engrams.kv.tiers import Tier


def filled(order: str = "lru") -> Tier:
    """a: 10 bytes, saves 100 ms; b: 20 bytes, 20 ms; c: 40 bytes, 400 ms. Then a, c and a are used."""
    tier = Tier(order=order)  # type: ignore[arg-type]
    tier.put("a", 10, 100.0)
    tier.put("b", 20, 20.0)
    tier.put("c", 40, 400.0)
    for id in ("a", "c", "a"):
        tier.touch(id)
    return tier


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("lru", ["b", "c", "a"]),  # last used at 2, 5, 6
        ("lfu", ["b", "c", "a"]),  # used 1, 2, 3 times
        ("cost", ["b", "c", "a"]),  # 1·20/20 = 1; 2·400/40 = 20; 3·100/10 = 30
    ],
)
def test_everything_goes_in_order(order: str, expected: list[str]) -> None:
    tier = filled(order)
    assert tier.bytes == 70
    assert tier.leaving(0) == expected
    assert tier.bytes == 0


def test_the_orders_differ() -> None:
    tier = filled()
    tier.touch("b")  # the last one used, still the least often (2, as c) and of the least worth (2)
    assert Tier.leaving(_copy(tier), 60, "lru") == ["c"]
    assert Tier.leaving(_copy(tier), 60, "lfu") == ["c"]  # b and c twice each: c longer ago
    assert Tier.leaving(_copy(tier), 60, "cost") == ["b"]


def test_only_as_many_as_must() -> None:
    assert filled().leaving(70) == []
    assert filled().leaving(69) == ["b"]
    assert filled().leaving(50) == ["b"]
    assert filled().leaving(49) == ["b", "c"]
    assert filled().leaving() == []  # no limit


def test_what_is_kept_stays_even_over_the_limit() -> None:
    tier = filled()
    assert tier.leaving(0, keep=("c",)) == ["b", "a"]
    assert tier.bytes == 40


def test_old_worth_ages() -> None:
    """After something worth 20 went, a newcomer of worth 5 counts 25 and outlives one worth 21 that nobody uses."""
    tier = Tier(order="cost")
    tier.put("old", 10, 210.0)  # 1 · 210 / 10 = 21
    tier.put("gone", 10, 200.0)  # 20
    assert tier.leaving(10) == ["gone"]
    tier.put("new", 10, 50.0)  # 20 + 5
    assert tier.leaving(10) == ["old"]


def test_one_that_is_put_again_keeps_its_uses() -> None:
    tier = filled()
    tier.put("a", 5, 100.0)
    assert (tier.uses["a"].used, tier.bytes) == (4, 65)
    tier.drop("a")
    tier.drop("a")
    assert tier.bytes == 60


def test_what_cannot_be_is_refused() -> None:
    for wrong in (-1, True, 1.5):
        with pytest.raises(BadSetting):
            Tier(wrong)  # type: ignore[arg-type]
    with pytest.raises(BadSetting, match="lru"):
        Tier(order="fifo")  # type: ignore[arg-type]
    with pytest.raises(BadSetting):
        filled().leaving(0, "fifo")  # type: ignore[arg-type]


def _copy(tier: Tier) -> Tier:
    made = Tier()
    made.uses = dict(tier.uses)
    return made
