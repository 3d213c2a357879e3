"""What tests/conftest.py promises: no network but loopback, no touching of the user's own folders."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import platformdirs
import pytest

# TEST-NET-1 (RFC 5737): an address that belongs to nobody, in case the guard should fail.
NOBODY = ("192.0.2.1", 9)
PREFIXES = ("ENGRAMS_", "OPENAI_", "ANTHROPIC_")
BLOCKED = "loopback only"


def test_connecting_outwards_is_refused() -> None:
    with socket.socket() as outward, pytest.raises(RuntimeError, match=BLOCKED):
        outward.connect(NOBODY)
    with socket.socket() as outward, pytest.raises(RuntimeError, match=BLOCKED):
        outward.connect_ex(NOBODY)


def test_datagrams_outwards_are_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        with pytest.raises(RuntimeError, match=BLOCKED):
            outward.sendto(b"hello", NOBODY)
        with pytest.raises(RuntimeError, match=BLOCKED):
            outward.sendto(b"hello", 0, NOBODY)


def test_looking_up_a_name_is_refused() -> None:
    with pytest.raises(RuntimeError, match=BLOCKED):
        socket.getaddrinfo("example.com", 443)
    with pytest.raises(RuntimeError, match=BLOCKED):
        socket.create_connection(("example.com", 443), timeout=1)


def test_loopback_works() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(("localhost", server.getsockname()[1])) as caller,
        server.accept()[0] as answerer,
    ):
        caller.sendall(b"ping")
        assert answerer.recv(4) == b"ping"


def test_home_and_data_folder_are_the_tests_own(own_home: Path, real_environment: dict[str, str]) -> None:
    assert Path.home() == own_home
    assert Path(platformdirs.user_data_dir("engrams")).is_relative_to(own_home)
    assert str(own_home) != real_environment.get("HOME")
    program = "import platformdirs; print(platformdirs.user_data_dir('engrams'))"
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert Path(child.stdout.strip()).is_relative_to(own_home)


def test_no_setting_or_key_is_inherited() -> None:
    found = {name: value for name, value in os.environ.items() if name.startswith(PREFIXES)}
    assert found == {"ENGRAMS_EMBEDDER": "none"}  # what tests/conftest.py sets itself


def test_a_warning_is_an_error() -> None:
    with pytest.raises(DeprecationWarning, match="old"):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
