"""Commands of the MCP server: mcp, and under it install and uninstall, which tell other programs of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from engrams.errors import NeedsExtra, UsageError
from engrams.serve.cli.call import Call, command, current
from engrams.serve.cli.changes import carry_out
from engrams.serve.cli.commands import Group

#: Where `--http` listens unless it is told otherwise.
PORT = 8765


@click.pass_context
def _serve(
    ctx: click.Context,
    profile: str,
    http: bool,
    host: str,
    port: int,
    project: bool,
    keys: bool,
    allowed: tuple[str, ...],
) -> None:
    """Serves, where no command is named."""
    if ctx.invoked_subcommand is None:
        _run(current(), profile, http, host, port, project, keys, allowed)


def _run(
    call: Call,
    profile: str,
    http: bool,
    host: str,
    port: int,
    project: bool,
    keys: bool,
    allowed: tuple[str, ...],
) -> None:
    try:
        from engrams.serve.mcp.server import create_server
        from engrams.serve.mcp.transports import is_loopback, over_http, over_stdio
    except ModuleNotFoundError as cause:
        if (cause.name or "").partition(".")[0] in ("mcp", "uvicorn", "anyio", "starlette"):
            raise NeedsExtra("the MCP server", "mcp") from cause
        raise
    from engrams.serve.mcp.reach import fixed_namespace
    from engrams.settings import Settings

    scopes = call.scopes()
    if project and (scopes["namespace"] or scopes["user_id"]):
        raise UsageError("--project names the namespace itself; leave --namespace and --user out")
    namespace = fixed_namespace(scopes["namespace"], scopes["user_id"], Settings.load().namespace)
    if project:
        from engrams.serve.hooks.project import project_namespace

        namespace = project_namespace(os.environ.get("CLAUDE_PROJECT_DIR") or str(Path.cwd()))
    keys = http and (keys or not is_loopback(host))
    key = None if keys else os.environ.get("ENGRAMS_API_KEY")
    with call.memory(make=True) as memory:
        held = memory.held_by(key) if key else memory
        server = create_server(held, namespace, profile, keys=keys, spooled_at=None if key else call.place())
        if http:
            over_http(
                server,
                memory,
                host,
                port,
                keys=keys,
                allowed=allowed,
                started=lambda url: _started(call, url),
            )
        else:
            over_stdio(server)


def _started(call: Call, url: str) -> None:
    if call.out.as_json:
        call.out.json({"url": url})
    else:
        call.out.columns(url)
        call.out.note("Ctrl-C stops it.")
    sys.stdout.flush()


class Served(Group):
    """A group that serves where no command is named."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Both ways to call it."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] [COMMAND] …")


@command
@click.argument("client")
@click.option(
    "--profile", default="default", show_default=True, metavar="NAME", help="default, full or reference."
)
@click.option("--project-file", is_flag=True, help="In the file of the project you are in, not in your own.")
@click.option("--yes", is_flag=True, help="Make the change without asking.")
def install(call: Call, /, client: str, profile: str, project_file: bool, yes: bool) -> None:
    """Tell CLIENT of the server: claude-code, claude-desktop, cursor, vscode or codex. Shows the change and asks.

    Coding agents get the memory of the project they are started in, unless --namespace or --user names another.
    """
    from engrams.serve.configs import Machine
    from engrams.serve.mcp.clients import NAME, client_named
    from engrams.serve.mcp.clients import install as change_of

    found = client_named(client, Machine())
    arguments = ["-m", "engrams", "mcp", *stored_at(call)]
    scopes = call.scopes()
    for option, value in (("--namespace", scopes["namespace"]), ("--user", scopes["user_id"])):
        arguments += [option, value] if value else []
    if found.coding and not scopes["namespace"] and not scopes["user_id"]:
        arguments.append("--project")
    if profile != "default":
        arguments += ["--profile", profile]
    entry = found.entry(sys.executable, arguments)
    change = change_of(found, entry, Path.cwd() if project_file else None)
    done = f"{found.name} starts the server {NAME} from now on; restart it. Undo: engrams mcp uninstall {found.name}"
    carry_out(call, change, yes=yes, done=done)


@command
@click.argument("client")
@click.option(
    "--project-file", is_flag=True, help="From the file of the project you are in, not from your own."
)
@click.option("--yes", is_flag=True, help="Make the change without asking.")
def uninstall(call: Call, /, client: str, project_file: bool, yes: bool) -> None:
    """Take the server out of CLIENT's configuration again. Memories stay."""
    from engrams.serve.configs import Machine
    from engrams.serve.mcp.clients import client_named
    from engrams.serve.mcp.clients import uninstall as change_of

    found = client_named(client, Machine())
    change = change_of(found, Path.cwd() if project_file else None)
    carry_out(call, change, yes=yes, done=f"{found.name} no longer starts the server.")


def stored_at(call: Call) -> list[str]:
    """The option that names the memory by its full path, for programs that run elsewhere and with another environment.

    Nothing for an address: it may hold a password, which is no thing for such files.
    """
    place = call.place()
    if "://" in place:
        call.out.note("Set ENGRAMS_DB where the program runs: an address is not written into its file.")
        return []
    return ["--db", str(Path(place).expanduser().absolute())]


mcp = Served(
    name="mcp",
    commands=[install, uninstall],
    invoke_without_command=True,
    callback=_serve,
    help=(
        "Serve the memory to agents over the Model Context Protocol, on standard input and output.\n\n"
        "The namespace is fixed by --namespace, --user or --project: a model can neither leave nor name it. "
        "ENGRAMS_API_KEY, where set, bounds what the server may do by the rights of that key."
    ),
    params=[
        click.Option(
            ["--profile"], default="default", show_default=True, metavar="NAME",
            help="default (six tools), full, or reference (the names of MCP's reference memory server).",
        ),
        click.Option(["--project"], is_flag=True, help="The memory of the project in the working folder."),
        click.Option(["--http"], is_flag=True, help="Over streamable HTTP instead, at /mcp."),
        click.Option(["--host"], default="127.0.0.1", show_default=True, help="Elsewhere than here: with keys only."),
        click.Option(["--port"], type=int, default=PORT, show_default=True, help="0: any that is free."),
        click.Option(["--keys"], is_flag=True, help="Ask for an API key on this machine, too."),
        click.Option(
            ["--allow-host", "allowed"], multiple=True, metavar="NAME", help="A name it may be asked by. Repeat for more."
        ),
    ],
)  # fmt: skip
