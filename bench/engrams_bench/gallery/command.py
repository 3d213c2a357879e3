"""The command `engrams-bench gallery`: pages and pictures from the code and the committed results."""

from __future__ import annotations

from pathlib import Path

import click

from engrams import Memory
from engrams.figures import FILE
from engrams_bench.errors import Drifted
from engrams_bench.gallery import cards, guide, measured, uses
from engrams_bench.gallery.claims import require_claims
from engrams_bench.gallery.numbers import filled
from engrams_bench.gallery.rows import all_rows, owner
from engrams_bench.report import BEGIN_GALLERY, insert

#: Recipes of the house and points of reference; all others are published memories.
OURS = ("engrams", "none", "bm25", "dense", "hybrid-rrf", "full-context")
#: A published way of choosing among points of reference; what is chosen is the house's recall where contexts grow long.
LONG_FIRST = "full-context-first"
CARDS, SHARED, GUIDE, TEACHES = "gallery.md", "shared-steps.md", "which-recipe.md", "what-the-rows-teach.md"


@click.command()
@click.option(
    "--results",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("bench/results"),
    show_default=True,
)
@click.option(
    "--figures",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("engrams") / FILE,
    show_default=True,
    help="The file of the package that `recipes show` reads.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; fail when a page or picture is not what code and results say.",
)
@click.argument("docs", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path("docs"))
def gallery(results: Path, figures: Path, check: bool, docs: Path) -> None:
    """Makes the gallery, the table of shared steps, the guide and the numbers of its discussion, in the folder DOCS."""
    recipes, rows = Memory.catalogue(), all_rows(results)
    names = list(recipes)
    found = uses.uses(recipes)
    images = docs / cards.IMAGES
    made = {
        docs / CARDS: cards.page(recipes, rows),
        images.parent / "shared-steps.svg": uses.matrix(found, names),
    }
    made |= {images / f"{name}.svg": recipe.svg() for name, recipe in recipes.items()}
    made[figures] = measured.text(recipes, rows)
    for path, text in made.items():
        _write(path, text, check)
    published = sorted({str(row.recipe["name"]) for row in rows if owner(row, names) not in OURS})
    for page, text in ((SHARED, uses.markdown(found, names)), (GUIDE, guide.markdown(rows, published))):
        insert(docs / page, text, check, BEGIN_GALLERY)
    memories = {str(row.recipe["name"]) for row in rows if owner(row, names) not in (*OURS, LONG_FIRST)}
    claims = 0
    for page in (SHARED, GUIDE, TEACHES):
        text = (docs / page).read_text(encoding="utf-8")
        claims += require_claims(text, rows, memories)
        _write(docs / page, filled(text, rows), check)
    click.echo(
        f"{docs}: {len(names)} recipes, {len(rows)} rows, {claims} claims that hold, "
        f"{'as code and results say' if check else 'written'}"
    )


def _write(path: Path, text: str, check: bool) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    if check:
        raise Drifted(f"{path}: not what code and results say; run `engrams-bench gallery`")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
