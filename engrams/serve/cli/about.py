"""Commands about the program itself: recipes, completion, version."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import click

from engrams.errors import UnknownName
from engrams.serve.cli.call import Call, command, current
from engrams.serve.cli.commands import Group

if TYPE_CHECKING:
    from engrams import Recipe

#: What the columns of the benchmark's rows are: percent of the evidence in ten hits and in a context, its tokens, CPU of a search.
MEASURED = ("data", "row", "in ten hits %", "in context %", "tokens", "search ms")
SHELLS = ("bash", "zsh", "fish")
#: Where each shell looks for completions, or what makes it load one.
LOADS = {
    "bash": 'eval "$(engrams completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(engrams completion zsh)"   # in ~/.zshrc, after compinit',
    "fish": "engrams completion fish > ~/.config/fish/completions/engrams.fish",
}


@click.group(name="recipes", cls=Group, invoke_without_command=True, subcommand_metavar="[show NAME]")
@click.pass_context
def recipes(context: click.Context) -> None:
    """The memory systems that can be run here; recipes show NAME prints one.

    In a pipe, one recipe a line: name, what it needs, summary. With --json, the names.
    """
    if context.invoked_subcommand is not None:
        return
    out, known = current().out, _catalogue()
    if out.as_json:
        out.json(list(known))
        return
    rows = [(r.name, ", ".join(r.needs) or "nothing", _source(r), r.summary) for r in known.values()]
    if out.pretty:
        out.table(("recipe", "needs", "paper", "summary"), rows)
    else:
        for name, needs, _, summary in rows:
            out.columns(name, needs, summary)
    out.note("Read one with: engrams recipes show NAME")


@command
@click.argument("name")
@click.option("--svg", is_flag=True, help="A picture of its chains, as the text of an SVG file.")
def show(call: Call, /, name: str, svg: bool) -> None:
    """The card of a recipe, also of one of your own (FILE.py:NAME).

    Paper, steps with their parameters, and how it differs from the paper.
    """
    from engrams.memory import Memory

    recipe = Memory.find_recipe(name)
    if svg:
        call.out.line(recipe.svg().rstrip("\n"))
    elif call.out.as_json:
        call.out.json(
            {
                "name": recipe.name,
                "fingerprint": recipe.fingerprint(),
                "summary": recipe.summary,
                "paper": recipe.paper,
                "needs": recipe.needs,
                "differs": recipe.differs,
                "chains": {name: repr(chain) for name, chain in recipe.chains().items()},
                "card": recipe.card(),
                "measured": recipe.measured(),
            }
        )
    elif call.out.pretty:
        from engrams.serve.cli.drawing import card_lines

        call.out.show(card_lines(recipe.card()))
        if rows := _measured(recipe):
            call.out.table(MEASURED, rows)
    else:
        call.out.line(recipe.card())
        rows = _measured(recipe)
        if rows:
            call.out.line("  measured:")
        for data, row, found, given, tokens, took in rows:
            call.out.line(f"    {data}: {row} {found} % in ten hits, {given} % in {tokens} tokens, {took} ms")


recipes.add_command(show)


def _catalogue() -> dict[str, Recipe]:
    from engrams.memory import Memory

    return dict(Memory.catalogue())


def _measured(recipe: Recipe) -> list[tuple[str, ...]]:
    """The benchmark's rows; * where hits stand for much at once, so that percentages count what they rest on."""
    return [
        (
            one.data,
            f"{one.row}{'*' if one.broad else ''}",
            *("–" if figure is None else f"{figure:,.1f}" for figure in (one.found, one.given)),
            "–" if one.tokens is None else f"{one.tokens:,.0f}",
            "–" if one.milliseconds is None else f"{one.milliseconds:,.1f}",
        )
        for one in recipe.measured()
    ]


def _source(recipe: Recipe) -> str:
    return f"{recipe.paper.title} ({recipe.paper.year})" if recipe.paper else "of the house"


@command
@click.argument("shell", metavar="bash|zsh|fish")
def completion(call: Call, /, shell: str) -> None:
    """Print the completion script of a shell: bash, zsh or fish."""
    from click.shell_completion import ShellComplete, get_completion_class

    from engrams.serve.cli.commands import root
    from engrams.serve.cli.door import COMPLETE, PROGRAM

    made = get_completion_class(shell) if shell in SHELLS else None
    if made is None:
        raise UnknownName("shell", shell, SHELLS)
    # The class of bash would first run bash to look at its version: whoever asks for the script knows.
    script = ShellComplete.source(made(root, {}, PROGRAM, COMPLETE))
    if call.out.as_json:
        call.out.json({"shell": shell, "script": script})
        return
    call.out.line(script)
    if call.out.pretty:
        call.out.note(f"To use it: {LOADS[shell]}")


@command
def version(call: Call, /) -> None:
    """The version of engrams."""
    from engrams import __version__

    if call.out.as_json:
        call.out.json(
            {"engrams": __version__, "python": platform.python_version(), "platform": platform.platform()}
        )
        return
    call.out.line(f"engrams {__version__}")
