"""Every parameter of a step is read: one that is only documented would promise what nobody does."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import pytest

import engrams
from engrams.organise.forms import FORMS
from engrams.step import Step

ROOMS = ("compose", "organise", "recall")
#: Read by another way than by their names: what is only told, and fields that are asked for by the name of a form.
OTHERWISE = {("LeaveOut", "what"), *(("MoveForms", form) for form in FORMS)}


def _steps(of: type[Step[object, object]]) -> Iterator[type[Step[object, object]]]:
    for step in of.__subclasses__():
        yield step
        yield from _steps(step)


def _every() -> list[type[Step[object, object]]]:
    for room in ROOMS:
        package = importlib.import_module(f"{engrams.__name__}.{room}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
    rooms = tuple(f"{engrams.__name__}.{room}." for room in ROOMS)
    here = {step for step in _steps(Step) if step.__module__.startswith(rooms) and is_dataclass(step)}
    return sorted(here, key=lambda step: (step.__module__, step.__name__))


def _read(step: type[object]) -> str:
    """The modules that a step and what it inherits from stand in, without what only looks whether its parameters make sense."""
    text = ""
    for each in step.__mro__:
        if each.__module__.startswith("engrams."):
            whole = inspect.getsource(inspect.getmodule(each))  # type: ignore[arg-type]
            checks = inspect.getsource(each.__post_init__) if "__post_init__" in vars(each) else ""  # type: ignore[attr-defined]
            text += whole.replace(checks, "")
    return text


@pytest.mark.parametrize("step", _every(), ids=lambda step: str(step.__name__))
def test_every_field_is_read(step: type[object]) -> None:
    text = _read(step)
    unread = [f.name for f in fields(step) if not re.search(rf"\.{f.name}\b", text)]  # type: ignore[arg-type]
    assert [name for name in unread if (step.__name__, name) not in OTHERWISE] == []
