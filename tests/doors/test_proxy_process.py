"""The proxy as the command starts it: a process of its own, stopped by a signal."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from engrams import Memory
from engrams.models.scripted import ScriptedServer
from engrams.models.scripted_wire import Said
from tests.doors.conftest import Engrams


@pytest.mark.slow
def test_the_command_serves_until_it_is_told_to_stop_and_loses_nothing(
    program: tuple[str, ...], database: Path
) -> None:
    with ScriptedServer(lambda heard: Said("Noted.")) as upstream:
        command = [*program, "proxy", "--upstream", upstream.url, "--port", "0", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            text = ""
            while not text.rstrip().endswith("}"):
                line = child.stdout.readline()
                assert line, child.stderr and child.stderr.read()
                text += line
            url = json.loads(text)["url"]
            body = {"messages": [{"role": "user", "content": "The boat has a red sail."}]}
            answer = httpx.post(f"{url}/chat/completions", json=body, timeout=60)
            assert answer.status_code == 200
            child.send_signal(signal.SIGTERM)
            _, told = child.communicate(timeout=60)
            assert (child.returncode, told) == (0, "")
    with Memory.open(database) as memory:
        assert [event.content for event in memory.log()] == ["The boat has a red sail.", "Noted."]


def test_it_listens_elsewhere_only_with_keys(engrams: Engrams) -> None:
    refused = engrams("proxy", "--upstream", "http://127.0.0.1:1/v1", "--host", "0.0.0.0")
    assert refused.code == 2
    assert "--keys" in refused.err
    none = engrams(
        "proxy", "--upstream", "http://127.0.0.1:1/v1", "--host", "0.0.0.0", "--port", "0", "--keys"
    )
    assert none.code == 2
    assert "engrams keys create" in none.err


@pytest.mark.parametrize(
    "options",
    [
        ("--upstream", "nowhere"),
        ("--upstream", "http://h/v1", "--budget", "-1"),
        ("--upstream", "http://h/v1", "--patience", "0"),
        (),
    ],
)
def test_wrong_options_are_told(engrams: Engrams, options: tuple[str, ...]) -> None:
    assert engrams("proxy", "--port", "0", *options).code == 2
