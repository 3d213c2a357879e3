"""A memory in use by several processes for a while, and a disk that really fills up."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engrams import Memory
from engrams.errors import Full, StoreError

Start = Callable[..., "subprocess.Popen[str]"]
#: Seconds of use: long enough for thousands of acts, short enough for every full run of the suite.
SECONDS = 60
#: Bytes of the small disk: room for an empty memory and some dozens of turns.
SMALL_DISK = 2**20


@pytest.mark.slow
def test_a_minute_of_use_by_four_processes(start: Start, tmp_path: Path) -> None:
    process = start("lasting", tmp_path / "memory.db", SECONDS)
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    total = json.loads(out)
    assert total["added"] > 100
    assert min(total["corrected"], total["erased"], total["searched"]) > 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room; skipped where this user may not mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a file system; test_store_files.py fills one by a limit instead")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_full_refuses_and_keeps_what_it_acknowledged(small_disk: Path) -> None:
    acknowledged = []
    with Memory.open(small_disk / "memory.db") as memory:
        ballast = small_disk / "ballast"
        with pytest.raises(Full, match=r"no room left on the device.*free some space"):
            for n in range(10_000):
                acknowledged.append(memory.add(f"turn {n} " + "filler " * 100).event_ids[0])
        assert acknowledged
        assert [e.id for e in memory.log(limit=10_000)] == acknowledged  # readable while full
        ballast.write_bytes(b"")
        with pytest.raises(StoreError):
            memory.add("x " * 100_000)
        ballast.unlink()
        for id in acknowledged[
            :5
        ]:  # erasing works on a full disk, says that bytes are left, or is refused as a whole
            try:
                assert memory.delete(id).state in ("done", "pending")
            except Full:
                continue
            acknowledged.remove(id)
        assert [e.id for e in memory.log(limit=10_000)] == acknowledged
    with Memory.open(small_disk / "memory.db") as memory:
        assert memory.check() == []
        assert [e.id for e in memory.log(limit=10_000)] == acknowledged


def test_a_backup_and_an_export_that_do_not_fit_leave_nothing_behind(
    small_disk: Path, tmp_path: Path
) -> None:
    with Memory.open(tmp_path / "memory.db") as memory:
        import random

        chance = random.Random(1)
        memory.add_many("".join(chance.choices("abcdefghijklmnopqrstuvwxyz ", k=1500)) for _ in range(1500))
        for act in (memory.backup, memory.export, memory.export_container):
            with pytest.raises(Full):
                act(small_disk / "copy")
            assert list(small_disk.iterdir()) == []
