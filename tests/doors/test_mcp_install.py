"""Telling other programs of the server and of the hooks: what is changed in their files, what is not, and the way back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest

from engrams.errors import Busy, Unavailable, UsageError
from engrams.serve.configs import Change, Machine, json_change, toml_change
from engrams.serve.hooks.installing import hook_command, hooks_file, install_hooks, uninstall_hooks
from engrams.serve.mcp.clients import client_named, clients, install, uninstall
from tests.doors.conftest import Engrams

ENTRY = {"command": "python3", "args": ["-m", "engrams", "mcp", "--db", "C:\\data\\m.db"]}
CODEX = """\
# my own notes
model = "o5"  # the good one

[mcp_servers.other]
command = "npx"  # stays

# about profiles
[profiles.fast]
model = "small"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine("linux", tmp_path, {})


def text(path: Path) -> str:
    return path.read_bytes().decode()


# --- where


@pytest.mark.parametrize(
    ("system", "environ", "expected"),
    [
        ("linux", {}, ["{home}/.claude.json", "{home}/.config/Claude/claude_desktop_config.json",
                       "{home}/.cursor/mcp.json", "{home}/.config/Code/User/mcp.json", "{home}/.codex/config.toml"]),
        ("linux", {"XDG_CONFIG_HOME": "{home}/xdg", "CODEX_HOME": "{home}/cx", "CLAUDE_CONFIG_DIR": "{home}/cl"},
         ["{home}/cl/.claude.json", "{home}/xdg/Claude/claude_desktop_config.json", "{home}/.cursor/mcp.json",
          "{home}/xdg/Code/User/mcp.json", "{home}/cx/config.toml"]),
        ("darwin", {}, ["{home}/.claude.json", "{home}/Library/Application Support/Claude/claude_desktop_config.json",
                        "{home}/.cursor/mcp.json", "{home}/Library/Application Support/Code/User/mcp.json",
                        "{home}/.codex/config.toml"]),
        ("win32", {"APPDATA": "{home}/Roaming"}, ["{home}/.claude.json", "{home}/Roaming/Claude/claude_desktop_config.json",
                                                  "{home}/.cursor/mcp.json", "{home}/Roaming/Code/User/mcp.json",
                                                  "{home}/.codex/config.toml"]),
        ("win32", {}, ["{home}/.claude.json", "{home}/AppData/Roaming/Claude/claude_desktop_config.json",
                       "{home}/.cursor/mcp.json", "{home}/AppData/Roaming/Code/User/mcp.json", "{home}/.codex/config.toml"]),
    ],
)  # fmt: skip
def test_each_program_keeps_its_file_where_its_system_wants_it(
    system: str, environ: dict[str, str], expected: list[str], tmp_path: Path
) -> None:
    there = {key: value.format(home=tmp_path) for key, value in environ.items()}
    found = [str(client.path) for client in clients(Machine(system, tmp_path, there))]
    assert found == [path.format(home=tmp_path) for path in expected]


def test_hooks_lie_where_the_agents_look(machine: Machine, tmp_path: Path) -> None:
    project = tmp_path / "shop"
    assert hooks_file("claude-code", machine) == tmp_path / ".claude" / "settings.json"
    assert hooks_file("codex", machine) == tmp_path / ".codex" / "hooks.json"
    assert hooks_file("claude-code", machine, project) == project / ".claude" / "settings.local.json"
    assert hooks_file("codex", machine, project) == project / ".codex" / "hooks.json"


# --- there and back


@pytest.mark.parametrize("name", ["claude-code", "claude-desktop", "cursor", "vscode", "codex"])
def test_a_program_without_a_file_gets_one_and_loses_it_again(name: str, machine: Machine) -> None:
    client = client_named(name, machine)
    added = install(client, client.entry("python3", ["-m", "engrams", "mcp"]))
    assert added.before is None
    assert added.apply() is None
    held: dict[str, Any] = (tomllib if name == "codex" else json).loads(text(client.path))
    entry = held[client.key]["engrams"]
    assert (entry["command"], entry["args"]) == ("python3", ["-m", "engrams", "mcp"])
    assert ("type" in entry) == (name in ("claude-code", "vscode"))
    assert install(client, client.entry("python3", ["-m", "engrams", "mcp"])).is_none
    uninstall(client).apply()
    assert not client.path.exists()
    assert uninstall(client).is_none


@pytest.mark.parametrize("indent", ["  ", "    ", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_a_json_file_comes_back_as_it_was(indent: str, end: str, last: str, machine: Machine) -> None:
    client = client_named("cursor", machine)
    client.path.parent.mkdir(parents=True)
    others = {
        "ünï": [1, 2.5, None, True],
        "mcpServers": {"other": {"url": "https://x", "headers": {}}},
        "z": {},
    }
    before = (json.dumps(others, indent=indent, ensure_ascii=False) + last).replace("\n", end)
    client.path.write_bytes(before.encode())
    client.path.chmod(0o640)
    copy = install(client, ENTRY).apply()
    assert copy is not None
    assert text(copy) == before
    held = json.loads(text(client.path))
    assert held["mcpServers"].pop("engrams") == ENTRY
    assert held == others
    assert client.path.stat().st_mode & 0o777 == 0o640
    uninstall(client).apply()
    assert text(client.path) == before


def test_a_toml_file_keeps_its_comments(machine: Machine) -> None:
    client = client_named("codex", machine)
    client.path.parent.mkdir(parents=True)
    client.path.write_text(CODEX, "utf-8")
    install(client, ENTRY).apply()
    now = text(client.path)
    assert now.startswith(CODEX)
    assert tomllib.loads(now)["mcp_servers"]["engrams"] == ENTRY
    install(client, {**ENTRY, "command": "python4"}).apply()
    assert text(client.path).count("[mcp_servers.engrams]") == 1
    assert tomllib.loads(text(client.path))["mcp_servers"]["engrams"]["command"] == "python4"
    uninstall(client).apply()
    assert text(client.path) == CODEX


def test_a_table_in_the_middle_is_taken_out_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[a]\nx = 1\n\n[mcp_servers."engrams"]  # ours\ncommand = "p"\n\n[mcp_servers.engrams.env]\nK = "[v]"\n\n'
        "# about b\n[b]\ny = [\n  1,\n]\n",
        "utf-8",
    )
    change = toml_change(path, ("mcp_servers", "engrams"), None, "")
    assert change.after == "[a]\nx = 1\n\n# about b\n[b]\ny = [\n  1,\n]\n"


# --- what is left alone


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ('{\n  // mine\n  "mcpServers": {}\n}', "has comments or is no JSON"),
        ('{"mcpServers": {}, "mcpServers": {"a": {}}}', "stands twice"),
        ("[1]", "holds no JSON object"),
        ('{"mcpServers": [1]}', "mcpServers is no object"),
        ("{", "is no JSON"),
    ],
)
def test_a_json_file_that_would_lose_something_is_left_alone(held: str, told: str, machine: Machine) -> None:
    client = client_named("cursor", machine)
    client.path.parent.mkdir(parents=True)
    client.path.write_text(held, "utf-8")
    with pytest.raises(UsageError, match=told) as refused:
        install(client, ENTRY)
    assert '"engrams"' in str(refused.value)  # the lines to paste
    assert text(client.path) == held


TOLD_TWICE = 'x = """\n[mcp_servers.engrams]\n"""\n[mcp_servers.engrams]\ncommand = "p"\n'


@pytest.mark.parametrize("held", ['mcp_servers = { a = { command = "x" } }\n', "[mcp_servers\n", TOLD_TWICE])
def test_a_toml_file_that_cannot_be_changed_by_lines_is_left_alone(held: str, machine: Machine) -> None:
    client = client_named("codex", machine)
    client.path.parent.mkdir(parents=True)
    client.path.write_text(held, "utf-8")
    with pytest.raises(UsageError, match="left as it is") as refused:
        install(client, ENTRY)
    assert "[mcp_servers.engrams]" in str(refused.value)
    assert text(client.path) == held


def test_a_file_that_changed_in_the_meantime_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}", "utf-8")
    change = json_change(path, lambda held: {**held, "x": 1}, "")
    path.write_text('{"y": 2}', "utf-8")
    with pytest.raises(Busy, match="changed in the meantime"):
        change.apply()
    assert text(path) == '{"y": 2}'


def test_a_link_stays_a_link_and_copies_do_not_overwrite_each_other(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.json", tmp_path / "a.json"
    real.write_text("{}", "utf-8")
    link.symlink_to(real)
    copies = [json_change(link, lambda held, i=i: {**held, "x": i}, "").apply() for i in range(3)]  # type: ignore[misc]
    assert link.is_symlink()
    assert json.loads(text(real)) == {"x": 2}
    assert [text(c) for c in copies if c] == ["{}", '{\n  "x": 0\n}'.replace("\n", "\n"), '{\n  "x": 1\n}']


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        json_change(tmp_path, lambda held: held, "")
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(Unavailable, match="cannot be"):
        Change(tmp_path / "file" / "below", None, "{}").apply()


# --- hooks


def test_hooks_of_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    theirs = {"type": "command", "command": "say done"}
    held = {
        "model": "opus",
        "hooks": {"Stop": [{"hooks": [theirs]}], "PreToolUse": [{"matcher": "Bash", "hooks": [theirs]}]},
    }
    before = json.dumps(held, indent=2)
    path.write_text(before, "utf-8")
    install_hooks("claude-code", "python -m engrams.serve.hooks run", path).apply()
    now = json.loads(text(path))
    assert set(now["hooks"]) == {
        "SessionStart",
        "UserPromptSubmit",
        "Stop",
        "PreCompact",
        "SessionEnd",
        "PreToolUse",
    }
    assert now["hooks"]["Stop"][0] == {"hooks": [theirs]}
    assert now["hooks"]["SessionStart"][0]["matcher"] == "startup|resume|clear|compact"
    again = install_hooks("claude-code", "python4 -m engrams.serve.hooks run", path)
    again.apply()
    assert text(path).count("engrams.serve.hooks") == 5
    assert "python4" in text(path)
    uninstall_hooks(path).apply()
    assert text(path) == before
    assert uninstall_hooks(path).is_none


def test_our_hook_among_others_in_one_group_is_taken_out_alone(tmp_path: Path) -> None:
    path = tmp_path / "hooks.json"
    theirs, ours = ({"type": "command", "command": c} for c in ("x", "python -m engrams.serve.hooks run"))
    path.write_text(json.dumps({"hooks": {"Stop": [{"matcher": "", "hooks": [ours, theirs]}]}}), "utf-8")
    assert json.loads(uninstall_hooks(path).after or "") == {
        "hooks": {"Stop": [{"matcher": "", "hooks": [theirs]}]}
    }


def test_a_command_survives_blanks_in_its_paths() -> None:
    posix = hook_command("codex", "/opt/my py/python", "/data/it's.db", "acme/all", Machine("linux"))
    assert posix == (
        "'/opt/my py/python' -m engrams.serve.hooks run --client codex --db '/data/it'\"'\"'s.db' --namespace acme/all"
    )
    python = str(PureWindowsPath("C:/Program Files/python.exe"))
    windows = hook_command("codex", python, None, None, Machine("win32"))
    assert windows == '"C:\\Program Files\\python.exe" -m engrams.serve.hooks run --client codex'


# --- the commands


def test_the_command_shows_asks_and_undoes(engrams: Engrams, database: Path, own_home: Path) -> None:
    path = own_home / ".claude.json"
    path.write_text('{"numStartups": 3}', "utf-8")
    refused = engrams("mcp", "install", "claude-code")
    assert refused.code == 2
    assert "add --yes" in refused.err
    assert '+    "engrams": {' in refused.out
    assert text(path) == '{"numStartups": 3}'
    done = engrams("mcp", "install", "claude-code", "--yes")
    assert done.code == 0, done.err
    assert "Undo: engrams mcp uninstall claude-code" in done.err
    entry = json.loads(text(path))["mcpServers"]["engrams"]
    assert entry["command"] == sys.executable
    assert entry["args"] == ["-m", "engrams", "mcp", "--db", str(database), "--project"]
    assert engrams("mcp", "uninstall", "claude-code", "--yes", "--json").json["changed"] is True
    assert json.loads(text(path)) == {"numStartups": 3}
    assert "Nothing to change" in engrams("mcp", "uninstall", "claude-code", "--yes").err
    wrong = engrams("mcp", "install", "cursr")
    assert wrong.code == 2
    assert "did you mean 'cursor'" in wrong.err


def test_an_address_is_not_written_into_files_of_others(
    engrams: Engrams, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGRAMS_DB", "postgresql://me:secret@db/memory")
    done = engrams("mcp", "install", "cursor", "--user", "ada", "--yes")
    assert done.code == 0, done.err
    written = text(own_home / ".cursor" / "mcp.json")
    assert "secret" not in written
    assert json.loads(written)["mcpServers"]["engrams"]["args"] == ["-m", "engrams", "mcp", "--user", "ada"]
    assert "Set ENGRAMS_DB" in done.err


def test_a_projects_own_file(engrams: Engrams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert engrams("mcp", "install", "vscode", "--project-file", "--profile", "full", "--yes").code == 0
    entry = json.loads(text(tmp_path / ".vscode" / "mcp.json"))["servers"]["engrams"]
    assert entry["args"][-2:] == ["--profile", "full"]
    refused = engrams("mcp", "install", "claude-desktop", "--project-file", "--yes")
    assert refused.code == 2
    assert "leave --project-file out" in refused.err


@pytest.mark.parametrize("agent", ["claude-code", "codex"])
def test_the_installed_hook_captures(
    agent: str, engrams: Engrams, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = engrams("hook", "install", agent, "--yes")
    assert done.code == 0, done.err
    path = hooks_file(agent, Machine("linux", own_home, {}))
    (group,) = json.loads(text(path))["hooks"]["UserPromptSubmit"]
    command = group["hooks"][0]["command"]
    message = {
        "hook_event_name": "UserPromptSubmit",
        "session_id": "s",
        "cwd": str(tmp_path),
        "prompt": "Use tabs.",
    }
    environment = {k: v for k, v in os.environ.items() if k != "ENGRAMS_DB"}
    subprocess.run(
        command, shell=True, input=json.dumps(message).encode(), check=True, env=environment, timeout=60
    )
    assert engrams("hook", "status", "--json").json["waiting"] == 1
    taken = engrams("hook", "drain", "--json").json
    assert (taken["added"], taken["repeated"]) == (1, 0)
    assert "Use tabs." in engrams("log", "--namespace", "code/*").out
    assert engrams("hook", "uninstall", agent, "--yes").code == 0
    assert not path.exists()
    assert engrams("hook", "install", "emacs").code == 2
