"""What was erased stays erased, also when an older export is brought back."""

from __future__ import annotations

from pathlib import Path

from engrams import Memory


def test_an_older_export_does_not_bring_back_what_was_erased(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "memory.db") as memory:
        kept = memory.add("I live in Bern.", user_id="ann").event_ids[0]
        gone = memory.add("My secret is xylophone.", user_id="ann").event_ids[0]
        memory.export(tmp_path / "export.jsonl", user_id="ann")
        memory.delete(gone)
        assert memory.restore(tmp_path / "export.jsonl") == 0
        assert [event.id for event in memory.log(user_id="ann")] == [kept]
    with Memory.open(tmp_path / "other.db") as other:
        assert other.restore(tmp_path / "export.jsonl") == 2
