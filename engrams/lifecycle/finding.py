"""Finds recipes: those of the package, those that installed packages offer, and those in a file of one's own."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from engrams.errors import BadSetting, EngramsError, UnknownName
from engrams.recipe import Recipe
from engrams.recipes.catalogue import CATALOGUE

#: The group of entry points under which a package offers recipes: `name = "package.module:RECIPE"`.
GROUP = "engrams.recipes"

#: What running somebody's file may raise that is no reason to end the process.
FAILS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EngramsError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
)


def found_recipe(name: str) -> Recipe:
    """The recipe that a name means: one of the package, one that an installed package offers, or `FILE.py:NAME`.

    The package's own come first. A file is run as a module: whoever names it trusts it.

    Raises:
        UnknownName: there is none of that name; names the nearest.
        BadSetting: the file or package holds no such recipe; says what it holds.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    if ".py:" in name:
        return _in_file(name)
    from importlib.metadata import (
        entry_points,
    )  # brings mail and archives along; most names are the package's own

    offered = {point.name: point for point in entry_points(group=GROUP)}
    if name not in offered:
        raise UnknownName("recipe", name, [*CATALOGUE, *offered])
    try:
        held = offered[name].load()
    except (ImportError, AttributeError) as cause:
        raise BadSetting("recipe", name, f"a package whose recipe can be loaded; {cause}") from cause
    return _checked(held, name)


def _in_file(name: str) -> Recipe:
    place, _, wanted = name.rpartition(":")
    path = Path(place).expanduser().resolve()
    if not path.is_file():
        raise BadSetting("recipe", name, "FILE.py:NAME of a file that is there")
    module = _loaded(path, path.stat().st_mtime_ns)
    held = {n: v for n, v in vars(module).items() if isinstance(v, Recipe)}
    if wanted not in held:
        raise BadSetting(
            "recipe", name, f"a recipe of that file: {', '.join(sorted(held)) or 'it holds none'}"
        )
    return held[wanted]


@lru_cache(maxsize=32)
def _loaded(path: Path, changed: int) -> object:
    """The module in a file, loaded once for each of its states."""
    called = f"engrams_recipe_{path.stem}_{changed:x}"
    spec = spec_from_file_location(called, path)
    if spec is None or spec.loader is None:
        raise BadSetting("recipe", str(path), "a Python file")
    module = module_from_spec(spec)
    sys.modules[called] = module  # dataclasses look their module up by its name
    try:
        spec.loader.exec_module(module)
    except FAILS as cause:
        del sys.modules[called]
        raise BadSetting(
            "recipe", str(path), f"a Python file that runs; {type(cause).__name__}: {cause}"
        ) from cause
    return module


def _checked(held: object, name: str) -> Recipe:
    if not isinstance(held, Recipe):
        raise BadSetting("recipe", name, f"a Recipe, not {type(held).__name__}")
    return held
