"""Change one step of a recipe, compare both on the same history, and see why a hit was found.

python examples/tune_a_recipe.py
"""

from __future__ import annotations

from engrams import Memory
from engrams.ingest.samples import history


def main() -> None:
    """The house recipe against the same recipe with wider windows."""
    house = Memory.catalogue()["engrams"]
    wider = house.replace("read.WindowScores.radius", 4)
    for recipe in (house, wider):
        with Memory.open(":memory:", recipe=recipe) as memory:
            memory.add_many(history("demo"), user_id="nadia")
            hit = memory.search("How did Oskar break his wrist?", user_id="nadia", k=1, explain=True)[0]
            shares = ", ".join(f"{name} {share:+.2f}" for name, share in hit.signals.items() if share)
            print(f"{recipe.name} {recipe.fingerprint()}: {hit.text}\n    {hit.score:.2f} = {shares}")


if __name__ == "__main__":
    main()
