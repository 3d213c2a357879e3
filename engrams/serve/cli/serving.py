"""The command that serves: the REST server with the inspector."""

from __future__ import annotations

import sys

import click

from engrams.errors import NeedsExtra
from engrams.serve.cli.call import Call, command
from engrams.serve.cli.output import shown_path

MIB = 1024 * 1024


@command
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=int, default=8765, show_default=True, help="0: any that is free.")
@click.option(
    "--keys/--no-keys", default=False, help="Ask each request for an API key, and do what its rights allow."
)
@click.option("--cors", multiple=True, metavar="ORIGIN", help="Let pages of this origin use it. Repeat.")
@click.option("--rate", type=float, default=1000.0, show_default=True, help="Requests a second of one key.")
@click.option("--burst", type=int, default=2000, show_default=True, help="Requests at once of one key.")
@click.option(
    "--max-body", type=float, default=16.0, show_default=True, metavar="MIB", help="Largest JSON body."
)
@click.option("--threads", type=int, default=16, show_default=True, help="Calls that run at the same time.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes that share the memory.")
@click.option("--tls-cert", metavar="FILE", help="Certificate in PEM: serve https.")
@click.option("--tls-key", metavar="FILE", help="Its private key in PEM.")
def serve(
    call: Call,
    /,
    host: str,
    port: int,
    keys: bool,
    cors: tuple[str, ...],
    rate: float,
    burst: int,
    max_body: float,
    threads: int,
    workers: int,
    tls_cert: str | None,
    tls_key: str | None,
) -> None:
    """Serve the memory over HTTP, with the inspector at /ui, until Ctrl-C or SIGTERM, which lose nothing.

    Listens on this machine only; elsewhere only with --keys, once a key is made. Needs: pip install 'engrams[serve]'.
    """
    try:
        from engrams.serve.rest.limits import Limits
        from engrams.serve.rest.serving import Serving, run
    except ModuleNotFoundError as missing:
        raise NeedsExtra("engrams serve", "serve") from missing

    limits = Limits(body_bytes=int(max_body * MIB), rate=rate, burst=burst, threads=threads)
    place = call.place()
    what = (
        "the memory behind an address" if "://" in place else shown_path(place)
    )  # an address may hold a password
    serving = Serving(call.given.get("db"), host, port, keys, cors, workers, tls_cert, tls_key, limits)
    listening = serving.listen()
    url = serving.url(listening)

    def started() -> None:
        if call.out.as_json:
            call.out.json({"url": url, "ui": f"{url}/ui", "keys": keys})
        else:
            call.out.columns(url)
            asked = "each request needs a key" if keys else "no key is asked for"
            call.out.note(f"Serves {what}; {asked}. Look inside: {url}/ui. Ctrl-C stops it.")
        sys.stdout.flush()

    run(serving, listening, started)
