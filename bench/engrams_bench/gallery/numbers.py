"""Numbers in running text that follow the results: each stands in a mark that says which figure of which row it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engrams_bench.gallery.rows import figure, one, shown
from engrams_bench.results import Result

#: `<!--= data row figure -->…<!--/-->`, where the figure may be of several words.
MARK = re.compile(r"<!--= (\S+) (\S+) ([^>]+?) -->(.*?)<!--/-->")


def filled(text: str, rows: Sequence[Result]) -> str:
    """The text with the figures of the rows in its marks.

    Raises:
        BenchError: a mark names no row, or no figure.
    """
    return MARK.sub(
        lambda m: f"<!--= {m[1]} {m[2]} {m[3]} -->{shown(figure(one(rows, m[1], m[2]), m[3]))}<!--/-->", text
    )
