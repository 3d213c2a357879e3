"""What every command shares: the options that work before and after the command, and the memory they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Literal, ParamSpec, TypedDict, TypeVar

import click

from engrams.errors import BadSetting, NotFound
from engrams.serve.cli.output import Out, shown_path

if TYPE_CHECKING:
    from engrams.memory import Memory

P = ParamSpec("P")
R = TypeVar("R")

KEPT = "engrams.serve.cli"  # the key in click's shared `meta`
IN_MEMORY = ":memory:"
HELP_WIDTH = 100  # characters of a line of help on a terminal that has them


class Scopes(TypedDict):
    """The scope arguments of `Memory`."""

    namespace: str | None
    user_id: str | None
    agent_id: str | None
    run_id: str | None
    session: str | None


class Times(TypedDict):
    """The time arguments of `Memory.search`, as `bounds` brings them."""

    since: str | None
    until: str | None
    as_of: str | None
    as_of_by: Literal["recorded", "occurred"]
    valid_at: str | None
    asked_at: str | None


@dataclass(frozen=True)
class Call:
    """One command line: the shared options as given, and where to write."""

    given: dict[str, Any]
    out: Out

    def scopes(self) -> Scopes:
        """The scope arguments of `Memory`, None where not given."""
        return {
            "namespace": self.given.get("namespace"),
            "user_id": self.given.get("user"),
            "agent_id": self.given.get("agent"),
            "run_id": self.given.get("run"),
            "session": self.given.get("session"),
        }

    def place(self) -> str:
        """Path or URL of the memory: `--db`, else what the settings say, else the user's data folder."""
        given = self.given.get("db")
        if given is not None:
            if not given:
                raise BadSetting("--db", given, "a path such as memory.db, or a URL", "command line")
            return str(given)
        from engrams.settings import Settings, default_path

        return Settings.load().db or str(default_path())

    def missing(self) -> Path | None:
        """The path of the memory where it is a file that is not there yet, else None."""
        place = self.place()
        if place == IN_MEMORY or "://" in place:
            return None
        path = Path(place)
        try:
            return None if path.exists() else path
        except OSError:  # whatever bars the way, opening it says it better
            return None

    @contextmanager
    def memory(
        self, *, make: bool = False, embedder: str | None = None, take_in: bool = True
    ) -> Iterator[Memory]:
        """The memory, opened; `make`: also where it is not there yet; `embedder`: another than the settings say.

        `take_in`: what hooks of coding agents wrote down for it is in it then.

        Raises:
            NotFound: no file is there and the command would not make one.
        """
        from engrams.serve.hooks.spool import spool_of, waiting

        place = self.place()
        folder = spool_of(place)
        # What hooks wrote down and no memory has taken in yet.
        spooled = folder is not None and bool(waiting(folder))
        missing = None if make or spooled else self.missing()
        if missing is not None:
            raise NotFound(
                f'there is no memory at {missing} yet; make one with: engrams add "some text" --db {shown_path(missing)}'
            )
        from engrams.memory import Memory
        from engrams.serve.logs import listen

        listen(self.given.get("log"), self.given.get("log_level"), auto="off")
        with Memory.open(self.given.get("db"), embedder=embedder, actor="cli") as memory:
            if spooled and take_in:
                from engrams.serve.hooks.draining import drain_quietly

                drain_quietly(memory, place)
            yield memory


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None and value is not False and parameter.name:
        context.meta.setdefault(KEPT, {})[parameter.name] = value


class SharedOption(click.Option):
    """An option that works before and after the command; what stands after it wins."""

    section: ClassVar[str] = "Options of every command"


def _shared(*names: str, help: str, metavar: str | None = None) -> SharedOption:
    flag = metavar is None
    return SharedOption(
        list(names), help=help, metavar=metavar, is_flag=flag, default=False if flag else None, expose_value=False,
        callback=_keep,
    )  # fmt: skip


def shared_options() -> list[click.Parameter]:
    """The shared options, made anew for each command."""
    return [
        _shared(
            "--db",
            metavar="PATH|URL",
            help="The memory to use (else ENGRAMS_DB, else one in your data folder).",
        ),
        _shared("--user", metavar="ID", help="Whose memory: the namespace, or its last segment."),
        _shared(
            "--namespace", metavar="PATH", help="Path such as acme/alice; acme/* reads everything below."
        ),
        _shared("--agent", metavar="ID", help="Kept when writing, filters when reading."),
        _shared("--run", metavar="ID", help="Kept when writing, filters when reading."),
        _shared("--session", metavar="ID", help="Kept when writing, filters when reading."),
        _shared("--json", help="JSON for programs."),
        _shared("--quiet", "-q", help="Results only: no messages, no progress, no colour."),
        _shared("--no-color", help="No colour (as NO_COLOR does)."),
        _shared("--log", metavar="FORM", help="The log on standard error: text, json or off."),
        _shared("--log-level", metavar="LEVEL", help="What of it: debug, info, warning or error."),
    ]


class Shared(click.Command):
    """A command that also takes the shared options, and lists them apart in its help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        settings = {"help_option_names": ["-h", "--help"], "max_content_width": HELP_WIDTH}
        kwargs["context_settings"] = settings | kwargs.get("context_settings", {})
        super().__init__(*args, **kwargs)
        self.params.extend(shared_options())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own options first, then those of every command."""
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                (shared if isinstance(parameter, SharedOption) else own).append(record)
        for title, records in (("Options", own), (SharedOption.section, shared)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def current() -> Call:
    """The call of the command that runs."""
    given = dict(click.get_current_context().meta.get(KEPT, {}))
    out = Out(
        as_json=bool(given.get("json")), quiet=bool(given.get("quiet")), color=not given.get("no_color"),
    )  # fmt: skip
    return Call(given, out)


def command(function: Callable[Concatenate[Call, P], None]) -> click.Command:
    """Makes a command of a function that takes the call first; its name is the function's, its help the docstring."""

    def invoked(*args: P.args, **kwargs: P.kwargs) -> None:
        call = current()
        if call.given.get("log") or call.given.get("log_level"):
            from engrams.serve.logs import listen

            listen(call.given.get("log"), call.given.get("log_level"))
        function(call, *args, **kwargs)

    update_wrapper(invoked, function)
    return click.command(name=function.__name__.rstrip("_").replace("_", "-"), cls=Shared)(invoked)


Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def bounds(function: Decorated) -> Decorated:
    """The options that bound what is read: times and filters."""
    for option in reversed(
        (
            click.option(
                "--filter",
                "filters",
                multiple=True,
                metavar="K=V|JSON",
                help="Only what matches: speaker=Ada, price>=10, topic~boat, or JSON. Repeat to narrow.",
            ),
            click.option(
                "--since", metavar="TIME", help="Happened at this time or later (2024-05-31, or ISO 8601)."
            ),
            click.option(
                "--until", metavar="TIME", help="Happened at this time or earlier; a day counts whole."
            ),
            click.option("--as-of", metavar="TIME", help="As this memory knew it then."),
            click.option(
                "--as-of-by",
                type=click.Choice(["recorded", "occurred"]),
                default="recorded",
                help="Whether --as-of asks when it was learnt, or (for imported histories) when it happened.",
            ),
            click.option("--valid-at", metavar="TIME", help="What was true then."),
            click.option(
                "--asked-at", metavar="TIME", help="When it is asked, for words such as yesterday; else now."
            ),
        )
    ):
        function = option(function)
    return function


def one_text(words: tuple[str, ...], what: str, example: str) -> str:
    """Words of the command line as one text, joined by spaces; `-` alone reads standard input.

    Raises:
        BadSetting: nothing but blanks.
    """
    if words == ("-",):
        words = (_standard_input(),)
    text = " ".join(words)
    if not text.strip():
        raise BadSetting(what, text, f"some text, as in: {example}", "command line")
    return text


def _standard_input() -> str:
    import sys

    raw = sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()
    try:
        return raw.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as cause:
        raise BadSetting(
            "standard input",
            raw[max(cause.start - 8, 0) : cause.start + 8],
            f"UTF-8 text (byte {cause.start} is not)",
            "stdin",
        ) from cause
