"""The programs that can be told of the MCP server: where each keeps its configuration, and in what form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engrams.errors import UnknownName, UsageError
from engrams.serve.configs import Change, Json, Machine, json_change, toml_change, toml_table

#: The name under which programs know the server.
NAME = "engrams"


@dataclass(frozen=True)
class Client:
    """One program. `key`: what its servers stand under; `typed`: whether an entry says its transport; `path`: for the
    person; `inside`: for one project, None where it has no such file; `coding`: whether it works inside a project."""

    name: str
    path: Path
    key: str = "mcpServers"
    typed: bool = False
    inside: str | None = None
    coding: bool = False

    def entry(self, command: str, arguments: Sequence[str]) -> dict[str, Any]:
        """What the program needs to start the server."""
        given = {"command": command, "args": list(arguments)}
        return {"type": "stdio", **given} if self.typed else given


def client_named(name: str, machine: Machine) -> Client:
    """A program by name.

    Raises:
        UnknownName: none that is known here.
    """
    found = {client.name: client for client in clients(machine)}
    if name not in found:
        raise UnknownName("client", name, found)
    return found[name]


def clients(machine: Machine) -> tuple[Client, ...]:
    """Every program that is known, with its paths on a machine."""
    claude = machine.environ.get("CLAUDE_CONFIG_DIR")
    return (
        Client(
            "claude-code",
            (Path(claude) if claude else machine.home) / ".claude.json",
            typed=True,
            inside=".mcp.json",
            coding=True,
        ),
        Client("claude-desktop", machine.app_data("Claude", "claude_desktop_config.json")),
        Client("cursor", machine.home / ".cursor" / "mcp.json", inside=".cursor/mcp.json"),
        Client(
            "vscode",
            machine.app_data("Code", "User", "mcp.json"),
            key="servers",
            typed=True,
            inside=".vscode/mcp.json",
        ),
        Client(
            "codex",
            machine.own("CODEX_HOME", ".codex") / "config.toml",
            key="mcp_servers",
            inside=".codex/config.toml",
            coding=True,
        ),
    )


def install(client: Client, entry: Mapping[str, Any], folder: Path | None = None) -> Change:
    """The change that tells a program of the server; `folder`: in this project only.

    Raises:
        UsageError: the file cannot be changed without losing something, or the program has none for projects.
    """
    path, table = _path(client, folder), (client.key, NAME)
    if path.suffix == ".toml":
        return toml_change(path, table, entry, toml_table(table, entry))
    snippet = json.dumps({client.key: {NAME: entry}}, indent=2, ensure_ascii=False)

    def edit(held: Json) -> Json:
        inside = held.setdefault(client.key, {})
        if not isinstance(inside, dict):
            raise UsageError(f"{path}: {client.key} is no object; change it by hand:\n{snippet}")
        inside[NAME] = dict(entry)
        return held

    return json_change(path, edit, snippet)


def uninstall(client: Client, folder: Path | None = None) -> Change:
    """The change that takes the server out again; none where it is not there."""
    path = _path(client, folder)
    snippet = f"take {NAME} out of {client.key}"
    if path.suffix == ".toml":
        return toml_change(path, (client.key, NAME), None, snippet)

    def edit(held: Json) -> Json:
        inside = held.get(client.key)
        if isinstance(inside, dict) and NAME in inside:
            del inside[NAME]
            if not inside:
                del held[client.key]
        return held

    return json_change(path, edit, snippet)


def _path(client: Client, folder: Path | None) -> Path:
    if folder is None:
        return client.path
    if client.inside is None:
        raise UsageError(f"{client.name} has no configuration of a project; leave --project-file out")
    return folder / client.inside
