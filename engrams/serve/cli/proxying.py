"""The command that stands between a client and its model: proxy."""

from __future__ import annotations

import signal
import sys

import click

from engrams.errors import BadSetting, NeedsExtra, UsageError
from engrams.serve.cli.call import Call, command
from engrams.serve.cli.output import shown_path


@command
@click.option("--upstream", required=True, metavar="URL", help="The model's API, with its /v1.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=int, default=8766, show_default=True, help="0: any that is free.")
@click.option(
    "--keys/--no-keys", default=False, help="Ask each request for an API key of the memory, in X-Engrams-Key."
)
@click.option(
    "--budget", type=int, default=1000, show_default=True, metavar="TOKENS", help="Most memory in a request."
)
@click.option(
    "--patience",
    type=float,
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a recall may take.",
)
def proxy(
    call: Call, /, upstream: str, host: str, port: int, keys: bool, budget: int, patience: float
) -> None:
    """Add memory to any client of OpenAI's protocol: point it at this address in place of the model's.

    What has to do with a question is put into the request before it goes on, what was said is remembered after. Whose memory it
    is says the header X-Engrams-User, else the field `user`. Listens on this machine only; elsewhere only with --keys, once a key is
    made. Needs: pip install 'engrams[serve]'.
    """
    try:
        import uvicorn

        from engrams.serve.logs import listen
        from engrams.serve.proxy.app import create_app
        from engrams.serve.rest.serving import STOP_SECONDS, Serving
    except ModuleNotFoundError as missing:
        raise NeedsExtra("engrams proxy", "serve") from missing
    from engrams.memory import Memory
    from engrams.serve.hooks.draining import drain_quietly

    if not 0 <= budget <= 1_000_000:
        raise BadSetting("--budget", budget, "a number of tokens from 0 to 1,000,000", "command line")
    if not 0 < patience <= 60:
        raise BadSetting("--patience", patience, "seconds, above 0 and at most 60", "command line")
    place = call.place()
    shown = "the memory behind an address" if "://" in place else shown_path(place)
    serving = Serving(call.given.get("db"), host, port, keys)
    listening = serving.listen()
    with listening:
        memory = Memory.open(call.given.get("db"), actor="proxy", background=True)
        try:
            drain_quietly(memory, place)
            if keys and not any(key.revoked_at is None for key in memory.list_keys()):
                raise UsageError(
                    "--keys asks each request for a key, and this memory has none yet; make one with: "
                    "engrams keys create NAME --right 'write:*'"
                )
            hosts = None if keys else {"localhost", "127.0.0.1", "::1", host}
            app = create_app(memory, upstream, keys=keys, budget=budget, patience=patience, hosts=hosts)
            listen()
            url = serving.url(listening)
            if call.out.as_json:
                call.out.json({"url": f"{url}/v1", "upstream": upstream, "keys": keys})
            else:
                call.out.columns(f"{url}/v1")
                asked = "each request needs a key" if keys else "no key is asked for"
                call.out.note(f"Adds {shown} to what goes to {upstream}; {asked}. Ctrl-C stops it.")
            sys.stdout.flush()
            for ask in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again once it has stopped
                signal.signal(ask, lambda _signal, _frame: None)
            uvicorn.Server(
                uvicorn.Config(
                    app,
                    ws="none",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=STOP_SECONDS,
                )
            ).run(sockets=[listening])
        finally:
            memory.close()
