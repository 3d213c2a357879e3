"""The list of commands: name, where it is made, one line of help. A command's module is loaded when it is named."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from engrams.errors import UnknownName
from engrams.serve.cli.call import Shared, SharedOption

ROOM = "engrams.serve.cli"

#: Section, then name: (module and attribute, one line).
COMMANDS: dict[str, dict[str, tuple[str, str]]] = {
    "Start": {
        "demo": ("demo:demo", "Show on a conversation of ours, or yours, what this does."),
        "add": ("writing:add", "Remember a text."),
        "import": ("writing:import_", "Remember chats, transcripts and exports from files."),
        "search": ("asking:search", "Find what was said, best first."),
        "context": ("asking:context", "What to give a model for a question: cited, priced, within a budget."),
    },
    "Look": {
        "log": ("looking:log", "The journal: everything that was written."),
        "show": ("looking:show", "One event or engram in full."),
        "history": ("looking:history", "Every version of a memory: what changed, when and why."),
        "stats": ("looking:stats", "How much lies here."),
        "namespaces": ("looking:namespaces", "The namespaces in which something lies."),
    },
    "Change": {
        "update": ("changing:update", "Correct a memory; the old version stays in its history."),
        "delete": ("changing:delete", "Erase events, reject engrams."),
        "delete-all": ("changing:delete_all", "Erase everything of one namespace, user or session."),
        "feedback": ("changing:feedback", "Say which hits were good or wrong; later searches learn from it."),
        "pin": ("changing:pin", "Never forget this."),
        "unpin": ("changing:unpin", "Take a pin back."),
        "undo": ("recipes:undo", "Take back the last change of a memory."),
    },
    "Care": {
        "doctor": ("care:doctor", "Check the memory; name what is wrong and how to mend it."),
        "backup": ("care:backup", "Copy the memory while it is in use."),
        "reembed": ("embedding:reembed", "Make the vectors anew, with another embedder or where they lack."),
        "vacuum": ("care:vacuum", "Give the room of erased memories back."),
        "export": ("care:export", "Write the journal as JSON lines, or everything as one container."),
        "restore": ("care:restore", "Bring back what export wrote."),
        "merge": ("keeping:merge", "Fuse a container into this memory."),
        "split": ("keeping:split", "Part a container by namespace."),
        "retention": ("keeping:retention", "How long and how much a namespace keeps, and may hold."),
        "audit": ("keeping:audit", "Who did what when, and whether the record is whole."),
        "keys": ("keeping:keys", "Keys with rights on namespaces."),
        "encrypt": ("keeping:encrypt", "Write an encrypted copy, or change its key."),
        "migrate": ("servers:migrate", "Copy a whole memory to another store, verified."),
    },
    "Derive": {
        "rebuild": ("recipes:rebuild", "Derive anew from the journal, also with another recipe."),
        "compare": ("recipes:compare", "One question to two recipes, side by side."),
        "consolidate": ("working:consolidate", "Merge, link and forget as the recipe does between sessions."),
        "jobs": ("working:jobs", "What is done later: waiting, running, given up."),
        "work": ("working:work", "Do the jobs that are due."),
        "cost": ("spending:cost", "What language models took: tokens, calls, seconds, money."),
    },
    "Serve": {
        "ui": ("inspecting:ui", "A page to look inside, in the browser."),
        "serve": ("serving:serve", "Serve the memory over HTTP, with a page to look inside."),
        "proxy": ("proxying:proxy", "Add memory to any client of OpenAI's protocol."),
        "mcp": ("mcp_door:mcp", "Serve it to agents over MCP; tell programs of the server."),
        "hook": ("hook:hook", "Memory for coding agents: their hooks."),
    },
    "More": {
        "recipes": ("about:recipes", "The memory systems that can be run here."),
        "kv": ("activating:kv", "What a model computed for texts: policies, blocks."),
        "weights": ("learning:weights", "What a model learnt: sessions written, checked, forgotten."),
        "up": ("servers:up", "Start a PostgreSQL server of your own, for trying."),
        "completion": ("about:completion", "Print the completion script of bash, zsh or fish."),
        "version": ("about:version", "The version of engrams."),
    },
}
_PLACES = {name: place for section in COMMANDS.values() for name, (place, _) in section.items()}


class Group(Shared, click.Group):
    """A group that suggests the nearest name for one it does not know."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command that is named first.

        Raises:
            UnknownName: there is none of that name; says the nearest.
        """
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise UnknownName("command", name, self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Options, then commands."""
        Shared.format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)


class Root(Group):
    """All commands, none loaded before it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help."""
        return list(_PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, loaded now."""
        place = _PLACES.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        made: Any = getattr(import_module(f"{ROOM}.{module}"), attribute)
        return made if isinstance(made, click.Command) else None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands by section, then the options."""
        for title, section in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, line) for name, (_, line) in section.items()], col_max=14)
        Shared.format_options(self, ctx, formatter)


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from engrams import __version__

        click.echo(f"engrams {__version__}")
        ctx.exit()


@click.pass_context
def _help_alone(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


root = Root(
    name="engrams",
    help=(
        "Long-term memory for LLM agents: one file on disk, no key, no server; every answer shows where it comes from "
        "and what it cost.\n\nNew here? Run: engrams demo"
    ),
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="The version.",
        )
    ],
    subcommand_metavar="COMMAND …",
    invoke_without_command=True,
    callback=_help_alone,
)

__all__ = ["COMMANDS", "Group", "Root", "SharedOption", "root"]
