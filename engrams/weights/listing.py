"""A card for each method, as command line and pages show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from engrams.weights.catalogue import METHODS


def cards() -> list[Mapping[str, Any]]:
    """Name, summary, paper, formula, how it differs, its parameters, and whether a session is forgotten by leaving parts away."""
    return [
        {
            "name": name,
            "summary": method.about.summary,
            "paper": f"{method.about.title} ({method.about.year})",
            "url": method.about.url,
            "formula": method.about.formula,
            "differs": list(method.about.differs),
            "approximation": method.about.approximation,
            "forgets": "by leaving parts away" if method.separable else "by writing the others anew",
            "parameters": asdict(method),  # type: ignore[call-overload]
        }
        for name, method in METHODS.items()
    ]
