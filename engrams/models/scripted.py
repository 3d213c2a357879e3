"""A language model that says what it is told to: for tests, offline demos and benchmarks, over the vendors' real protocols.

It listens on loopback and speaks OpenAI's chat completions and responses and Anthropic's messages, whole or streamed, with
tools. What it says comes from a script: rules in a file, or a function.

    python -m engrams.models.scripted SCRIPT.json --port 0
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from engrams.errors import BadSetting
from engrams.models import scripted_wire as wire
from engrams.models.scripted_wire import Heard, Said
from engrams.ports import Reply, Request, ToolCall, Usage
from engrams.schemas import smallest

LARGEST = 64 * 2**20
"""Bytes of a request that are read."""

Script = Callable[[Heard], Said]


@dataclass(frozen=True, slots=True)
class Rule:
    """Says something when a pattern is found in what was heard: the last message, or the system's words.

    `times`: how often it applies (None: always). `status` and `headers` make it fail. `least`: where a schema is asked for, the least
    that fits it, in place of `say`: enough to try how a recipe runs.
    """

    when: str
    say: str = ""
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int | None = None
    least: bool = False


class Rules:
    """A script of rules: the first that fits and is not used up. `{0}`, `{1}` … in `say` are the groups of its pattern."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = list(rules)
        self._used = [0] * len(self._rules)
        self._lock = threading.Lock()

    @classmethod
    def read(cls, path: str | Path) -> Rules:
        """Rules of a file: a JSON list of objects with `when` and `say`, `calls` ([name, arguments]), `status`,
        `headers`, `times`, `least`.

        Raises:
            BadSetting: no such file, or no such list.
        """
        try:
            held = json.loads(Path(path).read_text("utf-8"))
            calls = [tuple((name, args) for name, args in rule.pop("calls", ())) for rule in held]
            return cls([Rule(**rule, calls=called) for rule, called in zip(held, calls, strict=True)])
        except (OSError, ValueError, TypeError, AttributeError) as cause:
            raise BadSetting(
                "script", str(path), f"a JSON list of objects with 'when' and 'say'; {cause}"
            ) from cause

    def __call__(self, heard: Heard) -> Said:
        """What the first rule that fits says; a 500 that says so where none does."""
        asked = f"{heard.system}\n{heard.last}"
        with self._lock:
            for i, rule in enumerate(self._rules):
                found = re.search(rule.when, asked, re.DOTALL)
                if found is not None and (rule.times is None or self._used[i] < rule.times):
                    self._used[i] += 1
                    if rule.least and heard.schema is not None:
                        return Said(json.dumps(smallest(heard.schema)))
                    text = re.sub(r"\{(\d)\}", lambda slot, f=found: f[int(slot[1])] or "", rule.say)  # type: ignore[misc]
                    return Said(text, rule.calls, rule.status, dict(rule.headers))
        return Said("no rule of the script fits what was asked", status=500)


class ScriptedServer:
    """The scripted model as a server on loopback; a context manager. `heard` holds every request, in order."""

    def __init__(self, script: Script, *, port: int = 0, pause: float = 0.0) -> None:
        """`port` 0: any that is free. `pause`: seconds between two pieces of a stream."""
        self.script, self.pause = script, pause
        self.heard: list[Heard] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def root(self) -> str:
        """The address of Anthropic's client."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The address of OpenAI's client, with "/v1"."""
        return f"{self.root}/v1"

    def start(self) -> ScriptedServer:
        """Begins to listen."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stops listening; streams under way are cut."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> ScriptedServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def answered(self, heard: Heard) -> Said:
        """What the script says; it is noted before."""
        with self._lock:
            self.heard.append(heard)
        return self.script(heard)


class ScriptedChat:
    """The scripted model without a server: an endpoint for `model="scripted:FILE"`."""

    def __init__(self, script: Script, name: str = "scripted") -> None:
        self._script, self._name = script, name

    @property
    def name(self) -> str:
        """ "scripted:" with the name of its file."""
        return self._name

    def complete(self, request: Request) -> Reply:
        """What the script says; a status other than 200 raises as an endpoint would."""
        messages = tuple((turn.role, turn.text) for turn in request.turns)
        heard = Heard(
            protocol="direct",
            system=request.system,
            messages=messages,
            tools=tuple(tool.name for tool in request.tools),
            schema=request.schema,
        )
        said = self._script(heard)
        wire.raise_for(said, self._name)
        calls = tuple(ToolCall(f"call_{i}", name, dict(args)) for i, (name, args) in enumerate(said.calls))
        usage = Usage(
            tokens_in=wire.tokens(request.system, *(t for _, t in messages)),
            tokens_out=wire.tokens(said.text),
        )
        return Reply(said.text, calls, usage)


def _handler_for(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are sent one after the other; else the second waits 40 ms for the client to acknowledge the first.
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: the tests read `heard`."""

        def do_GET(self) -> None:
            models = {
                "object": "list",
                "data": [{"id": "scripted", "object": "model", "owned_by": "engrams"}],
            }
            self._whole(
                200, models if self.path.endswith("/models") else {"error": {"message": "no such path"}}, {}
            )

        def do_POST(self) -> None:
            length = min(int(self.headers.get("Content-Length", 0)), LARGEST)
            raw = self.rfile.read(length)
            protocol = wire.PATHS.get(self.path.partition("?")[0])
            if protocol is None:
                self._whole(404, {"error": {"message": f"no such path: {self.path}"}}, {})
                return
            heard = wire.heard(protocol, json.loads(raw), {k.lower(): v for k, v in self.headers.items()})
            said = server.answered(heard)
            if said.status != 200:
                self._whole(said.status, wire.error(protocol, said), said.headers)
            elif heard.stream:
                self._stream(wire.stream(heard, said), said)
            else:
                self._whole(200, wire.whole(heard, said), said.headers)

        def _whole(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def _stream(self, pieces: Iterator[str], said: Said) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Cache-Control", "no-cache")
            self.send_header("Connection", "close")
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.close_connection = True
            try:
                for number, piece in enumerate(pieces):
                    if said.cut_after is not None and number >= said.cut_after:
                        return
                    self.wfile.write(piece.encode())
                    self.wfile.flush()
                    if said.between is not None:
                        said.between(number)
                    elif server.pause:
                        time.sleep(server.pause)
            except OSError:  # the client went away; what it did not read it does not want
                return

    return Handler


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the server until it is interrupted; prints its address on the first line."""
    parser = argparse.ArgumentParser(
        "engrams.models.scripted", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("script", help="a JSON file with the rules")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    given = parser.parse_args(argv)
    with ScriptedServer(Rules.read(given.script), port=given.port) as server:
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
