"""The command line as a process of its own: exit codes, pipes, signals, terminals, encodings, what it loads."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

Engrams = Callable[..., Any]

# Starts a process per test: in `make test`, not in `make check`.
pytestmark = pytest.mark.slow

KEY = "The spare key is under the blue flower pot."
ANSI = re.compile(r"\x1b\[")
PATIENCE = 60.0  # seconds after which a child that says nothing is taken to hang


def on_a_terminal(
    command: tuple[str, ...], env: Mapping[str, str] | None = None, answer: bytes = b""
) -> tuple[int, str]:
    """Runs a command on a terminal of its own; `answer` is typed once it asks. Returns exit code and screen."""
    here, there = pty.openpty()
    child = subprocess.Popen(
        command,
        stdin=there,
        stdout=there,
        stderr=there,
        env={**os.environ, "TERM": "xterm-256color", **(env or {})},
    )
    os.close(there)
    seen = b""
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            if not select.select([here], [], [], 1.0)[0]:
                continue
            try:
                got = os.read(here, 65536)
            except OSError:  # Linux says so when the last writer has gone
                break
            if not got:
                break
            seen += got
            if answer and b"[y/N]" in seen:
                os.write(here, answer)
                answer = b""
        return child.wait(PATIENCE), seen.decode("utf-8", "replace").replace("\r\n", "\n")
    finally:
        child.kill()
        child.wait()
        os.close(here)


def test_results_and_messages_go_apart_and_nothing_is_coloured_in_a_pipe(process: Engrams) -> None:
    added = process("add", KEY)
    assert added.code == 0, added.err
    assert re.fullmatch(r"[0-9a-f-]{36}\n", added.out)
    assert added.err.startswith("Remembered")
    found = process("search", "key")
    assert found.rows[0][5] == KEY
    assert not ANSI.search(added.out + added.err + found.out + found.err)


@pytest.mark.parametrize(
    ("command", "code"),
    [(("version",), 0), (("serch",), 2), (("show", "nothing"), 3), (("import", "nowhere.json"), 3)],
)
def test_exit_codes_reach_the_shell(
    engrams: Engrams, process: Engrams, command: tuple[str, ...], code: int
) -> None:
    engrams("add", KEY)
    answer = process(*command, "--json")
    assert answer.code == code
    if code:
        assert json.loads(answer.err)["error"]["exit_code"] == code


@pytest.mark.parametrize("command", [("--help",), ("search", "--help"), ("version",), ("completion", "bash")])
def test_what_needs_no_memory_loads_nothing_heavy(program: tuple[str, ...], command: tuple[str, ...]) -> None:
    report = (
        "code = main(sys.argv[1:]); print(sorted({n.split('.')[0] for n in sys.modules})); sys.exit(code)"
    )
    source = program[-1].replace("sys.exit(main())", report)
    done = subprocess.run([*program[:-1], source, *command], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert "'click'" in loaded
    for heavy in ("numpy", "rich", "sqlite3", "asyncio", "platformdirs", "snowballstemmer"):
        assert f"'{heavy}'" not in loaded


def test_rich_stays_out_of_pipes(engrams: Engrams, program: tuple[str, ...]) -> None:
    engrams("add", KEY)
    source = program[-1].replace(
        "sys.exit(main())", "code = main(sys.argv[1:]); sys.exit(77 if 'rich' in sys.modules else code)"
    )
    done = subprocess.run([*program[:-1], source, "search", "key"], capture_output=True, check=False)
    assert done.returncode == 0


def test_a_terminal_gets_colour_and_readable_answers(engrams: Engrams, program: tuple[str, ...]) -> None:
    engrams("add", KEY, "--speaker", "Ada")
    code, screen = on_a_terminal((*program, "search", "where is the spare key?"))
    assert code == 0
    assert ANSI.search(screen)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen)
    assert KEY in plain
    assert "Ada" in plain


@pytest.mark.parametrize(
    ("command", "env"),
    [
        (("search", "key", "--no-color"), {}),
        (("context", "key", "--no-color"), {}),
        (("search", "key"), {"NO_COLOR": "1"}),
        (("search", "key"), {"TERM": "dumb"}),
    ],
)
def test_no_colour_where_none_is_wanted(
    engrams: Engrams, program: tuple[str, ...], command: tuple[str, ...], env: dict[str, str]
) -> None:
    engrams("add", KEY)
    code, screen = on_a_terminal((*program, *command), env)
    assert code == 0, screen
    assert not ANSI.search(screen)


def test_quiet_on_a_terminal_is_as_in_a_pipe(engrams: Engrams, program: tuple[str, ...]) -> None:
    engrams("add", KEY)
    _, screen = on_a_terminal((*program, "search", "key", "--quiet"))
    assert screen == engrams("search", "key").out


@pytest.mark.parametrize(("typed", "code", "left"), [(b"y\n", 0, 0), (b"n\n", 1, 1), (b"\n", 1, 1)])
def test_deleting_asks_on_a_terminal(
    engrams: Engrams, program: tuple[str, ...], typed: bytes, code: int, left: int
) -> None:
    id = engrams("add", KEY).out.strip()
    assert on_a_terminal((*program, "delete", id), answer=typed)[0] == code
    assert len(engrams("log").lines) == left


def test_a_reader_that_leaves_early_is_no_error(
    engrams: Engrams, program: tuple[str, ...], database: Path
) -> None:
    text = "a long line about the boat " * 200
    many = b"".join(
        json.dumps({"role": "user", "content": f"{n} {text}"}).encode() + b"\n" for n in range(100)
    )
    file = database.with_name("many.jsonl")
    file.write_bytes(many)
    assert engrams("import", file).code == 0
    child = subprocess.Popen(
        [*program, "log", "--all"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    said = child.stderr.read()
    child.stderr.close()
    assert child.wait(PATIENCE) == 128 + signal.SIGPIPE
    assert said == b""


def test_ctrl_c_ends_with_130_and_one_line(program: tuple[str, ...], database: Path) -> None:
    child = subprocess.Popen(
        [*program, "add", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdin is not None
    deadline = time.monotonic() + PATIENCE
    wchan = Path(f"/proc/{child.pid}/syscall")
    while time.monotonic() < deadline:  # until it waits in read(0, …): system call 0 of x86-64, 63 of arm64
        try:
            call = wchan.read_text().split()
        except OSError:
            call = []
        if call[:1] in (["0"], ["63"]) and call[1] == "0x0":
            break
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 130
    assert out == b""
    assert err.count(b"\n") == 1
    assert b"interrupted" in err
    assert not database.exists()


def test_texts_come_from_standard_input(engrams: Engrams, process: Engrams) -> None:
    assert process("add", "-", stdin="Grüße aus 中文 🚀\n".encode()).code == 0
    assert engrams("search", "Grüße").rows[0][5] == "Grüße aus 中文 🚀"
    refused = process("add", "-", stdin=b"caf\xe9")
    assert refused.code == 2
    assert "UTF-8" in refused.err


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C", "LANG": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
    ids=["C", "C without coercion", "ascii", "latin-1"],
)
def test_terminals_that_cannot_show_everything_still_work(
    engrams: Engrams, process: Engrams, env: dict[str, str]
) -> None:
    engrams("add", "Grüße aus 中文 🚀")
    answer = process("log", env=env)
    assert answer.code == 0, answer.err
    assert process("search", "x", "--json", env=env).json[0]["text"] == "Grüße aus 中文 🚀"
    missing = process("show", "Grüße", env=env)
    assert (missing.code, missing.err.count("\n")) == (3, 1)


def test_arguments_that_are_no_text_are_kept_or_refused_but_never_a_crash(
    engrams: Engrams, process: Engrams
) -> None:
    added = process("add", b"caf\xe9 with Ada")
    assert added.code in (0, 2)
    assert "Traceback" not in added.err
    assert "unexpected" not in added.err
    if added.code == 0:
        assert engrams("search", "Ada").rows[0][5].endswith("with Ada")
    for command in ((b"search", b"\xff"), (b"show", b"\xff"), (b"import", b"\xff.json"), (b"\xff",)):
        answer = process(*command)
        assert answer.code in (0, 2, 3)
        assert "unexpected" not in answer.err


@pytest.mark.parametrize(("redirection", "code"), [(">&-", 0), ("2>&-", 0), ("<&-", 0), (">/dev/full", 4)])
def test_streams_that_are_closed_or_full_are_no_crash(
    engrams: Engrams, program: tuple[str, ...], redirection: str, code: int
) -> None:
    engrams("add", KEY)
    line = f'exec "$@" {redirection}'
    done = subprocess.run(
        ["/bin/sh", "-c", line, "sh", *program, "log"], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == (1 if code else 0)


def test_completion_completes(process: Engrams) -> None:
    words = {"_ENGRAMS_COMPLETE": "bash_complete", "COMP_WORDS": "engrams sea", "COMP_CWORD": "1"}
    assert process(env=words).out.split() == ["plain,search"]
    options = {"_ENGRAMS_COMPLETE": "bash_complete", "COMP_WORDS": "engrams search --exp", "COMP_CWORD": "2"}
    assert "plain,--explain" in process(env=options).out.split()


@pytest.fixture
def shut() -> Iterator[Path]:
    """A folder anybody may look into and nobody may write in. Not below pytest's own, which only its owner may enter."""
    with tempfile.TemporaryDirectory(prefix="engrams-shut-") as place:
        folder = Path(place) / "shut"
        folder.mkdir()
        Path(place).chmod(0o755)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


# Loads by a first call whatever a call loads, since the interpreter may lie where nobody else may enter; then gives up
# every right, proves it, and calls again.
WITHOUT_RIGHTS = """
import os, pathlib, sys
from engrams.serve.cli import main
assert main(["add", "x", "--quiet", "--db", ":memory:"]) == 0
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    pathlib.Path(sys.argv[1], "probe").write_text("x")
except PermissionError:
    sys.exit(main(["add", "x", "--db", sys.argv[1] + "/memory.db"]))
"""


def test_a_folder_that_may_not_be_written_is_named(shut: Path) -> None:
    env = {**os.environ, "HOME": str(shut), "XDG_CONFIG_HOME": str(shut), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", WITHOUT_RIGHTS, str(shut)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 4, done.stderr
    assert str(shut) in done.stderr
    assert done.stderr.count("\n") == 1
