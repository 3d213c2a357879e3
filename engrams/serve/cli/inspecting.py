"""The command ui: the page to look inside, in the browser."""

from __future__ import annotations

import sys

import click

from engrams.errors import NotFound
from engrams.serve.cli.call import Call, command
from engrams.serve.cli.output import shown_path


@command
@click.option(
    "--port", type=int, default=0, show_default=True, help="On this machine only; 0: any that is free."
)
@click.option("--no-browser", is_flag=True, help="Print the address only; open it yourself.")
def ui(call: Call, /, port: int, no_browser: bool) -> None:
    """Open the inspector: a page to look inside the memory, on this machine only.

    The address opens it once, in one browser. Runs until Ctrl-C. Needs: pip install 'engrams[serve]'.
    """
    from engrams.memory import Memory
    from engrams.serve.hooks.draining import drain_quietly
    from engrams.serve.inspector.running import inspector

    missing = call.missing()
    if missing is not None:
        raise NotFound(
            f'there is no memory at {missing} yet; make one with: engrams add "some text" --db {shown_path(missing)}'
        )
    with Memory.open(call.given.get("db"), actor="inspector") as memory, inspector(memory, port) as opened:
        drain_quietly(memory, call.place())
        if call.out.as_json:
            call.out.json({"url": opened.url, "port": opened.port})
        else:
            call.out.columns(opened.url)
            call.out.note("The inspector runs. Ctrl-C stops it.")
        sys.stdout.flush()
        try:
            if not no_browser:
                import webbrowser

                webbrowser.open(opened.url)
            opened.run()
        except KeyboardInterrupt:
            call.out.note("Stopped.")
