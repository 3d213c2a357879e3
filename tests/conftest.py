"""What holds for every test: no network but loopback, no trace in the user's own folders, no inherited settings."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

REAL_ENVIRONMENT = dict(os.environ)
LOOPBACK_NAMES = frozenset({"", "localhost", "::1", "0.0.0.0", "::"})

# No deadline and no too_slow: both judge by the clock of whatever machine this is. In CI the examples are the
# same in every run, so that a red run can be repeated; elsewhere they are new each time.
settings.register_profile(
    "house",
    deadline=None,
    database=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


class SocketBlocked(RuntimeError):
    """A test reached for the network. Not an OSError, so that no code under test takes it for a real failure."""


def _refuse_unless_loopback(address: object) -> None:
    host = address[0] if isinstance(address, tuple) else None
    if host is None:  # a path (AF_UNIX) or a kernel socket stays on this machine
        return
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name in LOOPBACK_NAMES or name.startswith("127."):
        return
    raise SocketBlocked(f"a test tried to reach {name}; tests speak to loopback only")


@pytest.fixture(autouse=True, scope="session")
def heard_interrupts() -> None:
    """Makes Ctrl-C count here and in the processes that tests start: a shell's background job is started deaf to it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """Refuses every connection, datagram and name look-up that would leave this machine."""
    patch = pytest.MonkeyPatch()

    def guard(method: str, which: int) -> None:
        real: Callable[..., Any] = getattr(socket.socket, method)

        def guarded(self: socket.socket, *args: Any) -> Any:
            _refuse_unless_loopback(args[which])
            return real(self, *args)

        patch.setattr(socket.socket, method, guarded)

    guard("connect", 0)
    guard("connect_ex", 0)
    guard("sendto", -1)

    real_look_up = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None:
            _refuse_unless_loopback((host,))
        return real_look_up(host, *args, **kwargs)

    patch.setattr(socket, "getaddrinfo", look_up)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives the test, and every process it starts, an empty home and none of the user's settings or keys."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for variable, folder in {
        "XDG_DATA_HOME": ".local/share",
        "XDG_STATE_HOME": ".local/state",
        "XDG_CONFIG_HOME": ".config",
        "XDG_CACHE_HOME": ".cache",
    }.items():
        monkeypatch.setenv(variable, str(home / folder))
    for variable in os.environ:
        if variable.startswith(("ENGRAMS_", "OPENAI_", "ANTHROPIC_")):
            monkeypatch.delenv(variable)
    # The suite says the same with and without the extra `embed`; tests of embedders name the one they mean.
    monkeypatch.setenv("ENGRAMS_EMBEDDER", "none")
    return home


@pytest.fixture
def real_environment() -> dict[str, str]:
    """The environment the tests were started with, for the few that need pip's cache."""
    return dict(REAL_ENVIRONMENT)


@pytest.fixture(autouse=True, scope="session")
def stopped_postgres() -> Iterator[None]:
    """Stops the tests' own PostgreSQL at the end, where somebody started it."""
    yield
    used = sys.modules.get("tests.postgres_server")
    if used is not None:
        used.SERVER.stop()


#: Folders and files whose tests build files, processes or servers: left to the full run, so that the daily one is quick.
FULL_RUN = (
    "tests/faults/",
    "tests/contracts/",
    "tests/rooms/store/",
    "tests/doors/test_cli",
    "tests/doors/test_proxy",
    "tests/doors/test_inspector",
    "tests/doors/test_mcp.py",
    "tests/doors/test_client.py",
    "tests/doors/test_one_scenario.py",
    "tests/doors/test_rest",
    "tests/doors/test_hooks",
    "tests/doors/test_logs.py",
    "tests/docs/",
    "tests/papers/",
    "tests/bench/",
    "tests/rooms/models/",
    "tests/rooms/weights/test_methods",
    "tests/rooms/lifecycle/test_container",
    "tests/rooms/lifecycle/test_migrating",
    "tests/rooms/lifecycle/test_rebuilding",
    "tests/rooms/lifecycle/test_sealing",
)

#: Folders whose tests need torch. The daily check does without it and does not read them; the full run fails without it.
NEED_TORCH = ("tests/kv/", "tests/rooms/kv/", "tests/rooms/weights/")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves what needs torch to the full run, before it is imported."""
    if config.getoption("markexpr") != "not slow" or not collection_path.is_relative_to(config.rootpath):
        return None
    place = f"{collection_path.relative_to(config.rootpath).as_posix()}/"
    return place.startswith(NEED_TORCH) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as slow what lies in `FULL_RUN`, and whatever runs on a server."""
    for item in items:
        if item.nodeid.startswith((*FULL_RUN, *NEED_TORCH)) or "postgres" in item.nodeid:
            item.add_marker(pytest.mark.slow)
