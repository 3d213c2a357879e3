"""What rows of the stores become."""

from __future__ import annotations

from engrams.store.rows import links_from


def test_a_link_to_what_damage_took_does_not_end_a_search() -> None:
    rows = [(2, 3, "b", "c", "near", 1.0, "r"), (None, 2, "gone", "b", "near", 1.0, "r")]
    assert [(one.source, one.target) for one in links_from(rows, str)] == [("gone", "b"), ("b", "c")]
