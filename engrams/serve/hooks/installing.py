"""How coding agents are told of the hooks: Claude Code in its settings, Codex in `hooks.json`; both have one form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engrams.errors import UnknownName, UsageError
from engrams.serve.configs import Change, Json, Machine, json_change

#: By this our own hooks are known among others.
MODULE = "engrams.serve.hooks"
_TELL, _CAPTURE = 10, 5  # seconds after which an agent stops waiting
_MATCHER = "startup|resume|clear|compact"
#: What each agent is asked to call us at. Codex has no end of a session in all its versions; its turns end with Stop.
EVENTS: Mapping[str, tuple[str, ...]] = {
    "claude-code": ("SessionStart", "UserPromptSubmit", "Stop", "PreCompact", "SessionEnd"),
    "codex": ("SessionStart", "UserPromptSubmit", "Stop"),
}


def hooks_file(agent: str, machine: Machine, folder: Path | None = None) -> Path:
    """The file an agent keeps its hooks in; `folder`: of one project.

    Raises:
        UnknownName: no agent of that name.
    """
    if agent not in EVENTS:
        raise UnknownName("coding agent", agent, EVENTS)
    if agent == "codex":
        return (machine.own("CODEX_HOME", ".codex") if folder is None else folder / ".codex") / "hooks.json"
    if folder is not None:
        return folder / ".claude" / "settings.local.json"  # of this person in this project: paths stand in it
    return machine.own("CLAUDE_CONFIG_DIR", ".claude") / "settings.json"


def hook_command(agent: str, python: str, place: str | None, namespace: str | None, machine: Machine) -> str:
    """The command line that an agent calls. `place`: path of the memory; None: what the settings say."""
    words = [python, "-m", MODULE, "run", "--client", agent]
    words += ["--db", place] if place is not None else []
    words += ["--namespace", namespace] if namespace is not None else []
    return " ".join(_quoted(word, machine.system) for word in words)


def install_hooks(agent: str, command: str, path: Path) -> Change:
    """The change that adds the hooks, in place of ours that stand there; hooks of others stay."""

    def edit(held: Json) -> Json:
        held = _without_ours(held)
        hooks = held.setdefault("hooks", {})
        if not isinstance(hooks, dict):
            raise UsageError(f"{path}: hooks is no object; change it by hand:\n{snippet}")
        for event in EVENTS[agent]:
            groups = hooks.setdefault(event, [])
            if not isinstance(groups, list):
                raise UsageError(f"{path}: hooks.{event} is no list; change it by hand:\n{snippet}")
            groups.append(_group(event, command))
        return held

    snippet = json.dumps({"hooks": {e: [_group(e, command)] for e in EVENTS[agent]}}, indent=2)
    return json_change(path, edit, snippet)


def uninstall_hooks(path: Path) -> Change:
    """The change that takes our hooks out, and nothing else."""
    return json_change(path, _without_ours, f"take out the hooks whose command has {MODULE}")


def _group(event: str, command: str) -> dict[str, Any]:
    start = event == "SessionStart"
    hook = {"type": "command", "command": command, "timeout": _TELL if start else _CAPTURE}
    return {"matcher": _MATCHER, "hooks": [hook]} if start else {"hooks": [hook]}


def _without_ours(held: Json) -> Json:
    hooks = held.get("hooks")
    if not isinstance(hooks, dict):
        return held
    for event, groups in list(hooks.items()):
        if not isinstance(groups, list) or not any(map(_has_ours, groups)):
            continue
        kept = [_cleared(group) for group in groups]
        hooks[event] = [g for g in kept if not isinstance(g, dict) or g.get("hooks") != []]
        if not hooks[event]:
            del hooks[event]
    if not hooks:
        del held["hooks"]
    return held


def _has_ours(group: object) -> bool:
    hooks = group.get("hooks") if isinstance(group, dict) else None
    return isinstance(hooks, list) and any(map(_is_ours, hooks))


def _cleared(group: Any) -> Any:
    return {**group, "hooks": [h for h in group["hooks"] if not _is_ours(h)]} if _has_ours(group) else group


def _is_ours(hook: object) -> bool:
    return isinstance(hook, dict) and MODULE in str(hook.get("command", ""))


def _quoted(word: str, system: str) -> str:
    if system == "win32":
        return f'"{word}"' if " " in word else word
    import shlex

    return shlex.quote(word)
