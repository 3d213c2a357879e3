"""The door itself: runs a command and turns everything that can go wrong into one line and an exit code."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from engrams.errors import EngramsError, Full, Unavailable, outcome
from engrams.serve.cli.output import clean

PROGRAM = "engrams"
COMPLETE = "_ENGRAMS_COMPLETE"  # the variable click's completion scripts set
FAILED, WRONG_USE = 1, 2  # an unexpected failure; what click itself refuses, as UsageError does
INTERRUPTED = 128 + 2  # shells report a process that SIGINT ended so
PIPE_CLOSED = 128 + 13  # and one that SIGPIPE ended


def run(argv: Sequence[str]) -> int:
    """Runs one command line and returns its exit code.

    Errors of the house exit as `engrams.errors.OUTCOMES` says, those of the file system as `StoreError` does, Ctrl-C
    with 130, a closed pipe with 141 and without a word, anything unexpected with 1.
    """
    with contextlib.ExitStack() as opened:
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            if getattr(sys, name) is None:  # started with the stream closed, as `>&-` does
                setattr(sys, name, opened.enter_context(Path(os.devnull).open(mode, encoding="utf-8")))
                opened.callback(setattr, sys, name, None)
        return _run(argv)


def _run(argv: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever a memory holds can be written to any terminal
            stream.reconfigure(errors="backslashreplace")
    as_json = "--json" in (argv[: argv.index("--")] if "--" in argv else argv)
    try:
        code = _invoke(list(argv))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _silence()
        return PIPE_CLOSED
    except (KeyboardInterrupt, click.exceptions.Abort):
        return _report("Interrupted", "interrupted", INTERRUPTED, as_json)
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except click.ClickException as error:
        return _report("UsageError", _of_click(error), WRONG_USE, as_json)
    except EngramsError as error:
        if _debugging():
            traceback.print_exc()
        return _report(type(error).__name__, str(error), outcome(error).exit_code, as_json)
    except OSError as error:
        if _debugging():
            traceback.print_exc()
        kind = Full if error.errno == errno.ENOSPC else Unavailable
        reason = error.strerror or " ".join(str(error).split())
        where = (
            os.fsdecode(error.filename)
            if isinstance(error.filename, str | bytes)
            else "standard output or input"
        )
        code = _report(kind.__name__, f"{where}: {reason}", outcome(kind).exit_code, as_json)
        _silence()
        return code
    except Exception as error:
        if _debugging():
            traceback.print_exc()
        what = " ".join(str(error).split())
        message = f"unexpected {type(error).__name__}: {what}; run with ENGRAMS_DEBUG=1 for the traceback"
        return _report(type(error).__name__, message, FAILED, as_json)


def _invoke(argv: list[str]) -> int:
    from engrams.serve.cli.commands import root

    instruction = os.environ.get(COMPLETE)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(root, {}, PROGRAM, COMPLETE, instruction)
    with root.make_context(PROGRAM, argv) as context:
        code = root.invoke(context)
    return code if isinstance(code, int) else 0


def _report(kind: str, message: str, code: int, as_json: bool) -> int:
    if as_json:
        line = json.dumps({"error": {"type": kind, "message": message, "exit_code": code}})
    else:
        one_line = " ".join(message.splitlines())
        line = f"{_paint('error:')} {clean(one_line)}"
    try:
        with contextlib.suppress(OSError):  # what could not be written is what is reported
            sys.stdout.flush()
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        _silence()
    return code


def _paint(word: str) -> str:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or "--no-color" in sys.argv
    return word if plain or not sys.stderr.isatty() else f"\x1b[1;31m{word}\x1b[0m"


def _of_click(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error, click.NoSuchOption):
        message += "; put -- before a text that begins with -"
    context = getattr(error, "ctx", None)
    return f"{message}; see: {context.command_path} --help" if context is not None else message


def _debugging() -> bool:
    return os.environ.get("ENGRAMS_DEBUG", "") not in ("", "0")


def _silence() -> None:
    """Points both streams to nowhere, so that the interpreter's last flush does not complain about the closed pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            try:
                os.dup2(nowhere, stream.fileno())
            except (OSError, ValueError, AttributeError):
                continue
