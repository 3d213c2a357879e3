"""A hook or a drain that is killed loses nothing and doubles nothing: real processes, SIGKILL at chosen points."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from engrams import Memory
from engrams.serve.hooks import spool
from engrams.serve.hooks.draining import drain

#: Runs the hooks' entry and kills the process at the n-th return of a function, before anything after it happens.
PROGRAM = """
import importlib, os, signal, sys
module, name, after, *arguments = sys.argv[1:]
place = importlib.import_module(module)
real, count = getattr(place, name), 0
def counted(*given, **named):
    global count
    count += 1
    if count == int(after) + 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **named)
setattr(place, name, counted)
from engrams.serve.hooks.door import main
main(arguments)
"""


def killed(module: str, name: str, after: int, *arguments: str, said: str = "") -> None:
    program = [sys.executable, "-c", PROGRAM, module, name, str(after), *arguments]
    done = subprocess.run(program, input=said, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def folder(place: Path) -> Path:
    found = spool.spool_of(str(place))
    assert found is not None
    return found


def fill(folder: Path, files: int, each: int) -> list[str]:
    texts = [[f"file {f} message {i}" for i in range(each)] for f in range(files)]
    for said in texts:
        spool.append(
            folder,
            [
                {"key": f"k-{t}", "namespace": "code/shop", "client": "codex", "session": "s", "role": "user",
                 "kind": "prompt", "text": t, "at": None}
                for t in said
            ],
        )  # fmt: skip
    return [t for said in texts for t in said]


@pytest.mark.parametrize(
    ("module", "name", "after"),
    [
        ("engrams.serve.hooks.draining", "take_in", 0),
        ("engrams.serve.hooks.draining", "take_in", 3),
        ("engrams.serve.hooks.draining", "take_in", 7),
        ("pathlib.Path", "unlink", 0),
        ("pathlib.Path", "unlink", 1),
    ],
)
def test_a_drain_that_is_killed_loses_and_doubles_nothing(
    module: str, name: str, after: int, place: Path, folder: Path
) -> None:
    texts = fill(folder, 3, 4)
    if module == "pathlib.Path":
        program = PROGRAM.replace(
            "importlib.import_module(module)", "importlib.import_module('pathlib').Path"
        )
        arguments = [module, name, str(after), "drain", "--db", str(place)]
        # Opening a memory removes files too; what counts is the removal of spool files.
        program = program.replace("count += 1", "count += str(given[0]).endswith('.jsonl')")
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
    else:
        killed(module, name, after, "drain", "--db", str(place))
    assert spool.waiting(folder)
    with Memory.open(place) as memory:
        drain(memory, folder)
        found = Counter(e.content for e in memory.log(namespace="code/shop"))
    assert found == Counter(texts)
    assert spool.waiting(folder) == []


@pytest.mark.parametrize("name", ["append", "save_session"])
def test_a_capture_that_is_killed_is_made_up_for_by_the_next(
    name: str, place: Path, folder: Path, tmp_path: Path
) -> None:
    transcript = tmp_path / "transcript.jsonl"
    turns = [{"type": "user", "message": {"role": "user", "content": f"rule {i}"}} for i in range(5)]
    transcript.write_text("".join(json.dumps(t) + "\n" for t in turns), "utf-8")
    said = json.dumps(
        {
            "hook_event_name": "Stop",
            "session_id": "s",
            "cwd": str(tmp_path),
            "transcript_path": str(transcript),
        }
    )
    killed("engrams.serve.hooks.spool", name, 0, "run", "--db", str(place), said=said)
    subprocess.run(
        [sys.executable, "-m", "engrams.serve.hooks", "run", "--db", str(place)],
        input=said,
        text=True,
        check=True,
    )
    with Memory.open(place) as memory:
        drain(memory, folder)
        assert Counter(e.content for e in memory.log(namespace="code/*")) == Counter(
            f"rule {i}" for i in range(5)
        )


def test_two_drains_at_once_take_everything_in_once(place: Path, folder: Path) -> None:
    texts = fill(folder, 8, 5)
    program = [sys.executable, "-m", "engrams.serve.hooks", "drain", "--db", str(place)]
    both = [subprocess.Popen(program) for _ in range(2)]
    assert [each.wait() for each in both] == [0, 0]
    with Memory.open(place) as memory:
        assert Counter(e.content for e in memory.log(namespace="code/shop")) == Counter(texts)
    assert spool.waiting(folder) == []


def test_a_session_that_begins_has_the_spool_emptied_behind_it(
    place: Path, folder: Path, tmp_path: Path
) -> None:
    texts = fill(folder, 2, 3)
    message = {
        "hook_event_name": "SessionStart",
        "source": "startup",
        "session_id": "n",
        "cwd": str(tmp_path),
    }
    program = [
        sys.executable,
        "-m",
        "engrams.serve.hooks",
        "run",
        "--db",
        str(place),
        "--namespace",
        "code/shop",
    ]
    done = subprocess.run(program, input=json.dumps(message), capture_output=True, text=True, check=True)
    assert texts[0] in json.loads(done.stdout)["hookSpecificOutput"]["additionalContext"]
    deadline = time.monotonic() + 60
    while spool.waiting(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert spool.waiting(folder) == []
    with Memory.open(place) as memory:
        assert Counter(e.content for e in memory.log(namespace="code/shop")) == Counter(texts)
