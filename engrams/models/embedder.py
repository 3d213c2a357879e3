"""Which embedder is meant: one that is installed, an endpoint, a function, an object."""

from __future__ import annotations

from functools import lru_cache
from inspect import getattr_static
from typing import TYPE_CHECKING, Any

from engrams.errors import BadSetting, UnknownName
from engrams.models.embedder_cached import CAPACITY, CachedEmbedder

if TYPE_CHECKING:
    from engrams.ports import Embedder

OPENAI_URL = "https://api.openai.com/v1"
"""Where "openai:model" without an address goes."""

NAMES = ("auto", "minilm", "none", "openai:<model>", "openai:<model>@<url>")

EXPECTED = (
    "None, 'auto', 'minilm', 'openai:<model>@<url>', an object with embed(texts), fingerprint and dimensions, "
    "a sentence-transformers model, or a function from a list of texts to rows of numbers"
)


def resolve_embedder(
    value: object = "auto", *, api_key: str | None = None, threads: int = 1, cache: int = CAPACITY
) -> Embedder | None:
    """The embedder that `value` means, remembering the vectors of the last `cache` texts (0: none).

    - "auto": all-MiniLM-L6-v2 where the extra `embed` is installed, else None; None or "none": None.
    - "minilm": all-MiniLM-L6-v2, run on `threads` threads.
    - "openai:<model>" or "openai:<model>@<url>": an endpoint that speaks OpenAI's protocol, with `api_key`.
    - An object with `embed`, `fingerprint` and `dimensions`: itself.
    - An object with `encode`: a model of sentence-transformers. Any other callable: a function of texts.

    Raises:
        NeedsExtra: "minilm" is asked for and not installed.
        UnknownName: a text that is none of these.
        BadSetting: no text and none of these objects, or a setting out of range.
    """
    if isinstance(cache, bool) or not isinstance(cache, int) or cache < 0:
        raise BadSetting("cache", cache, "a whole number, 0 or more")
    found = _resolved(value, api_key, threads)
    if found is None or cache == 0 or isinstance(found, CachedEmbedder):
        return found
    return CachedEmbedder(found, cache)


def _resolved(value: Any, api_key: str | None, threads: int) -> Embedder | None:
    # Imported where they are chosen: who has no embedder pays for none.
    if value is None or value == "none":
        return None
    if isinstance(value, str):
        return _by_name(value, api_key, threads)
    if isinstance(value, type):
        raise BadSetting("embedder", value, f"an object of the class, not the class: {value.__name__}(...)")
    # Looked at without asking: `dimensions` of an endpoint may be a call over the network.
    if all(getattr_static(value, name, None) is not None for name in ("embed", "fingerprint", "dimensions")):
        given: Embedder = value
        return given
    from engrams.models.embedder_plugged import CallableEmbedder, SentenceTransformersEmbedder

    if callable(getattr(value, "encode", None)):
        return SentenceTransformersEmbedder(value)
    if callable(value):
        return CallableEmbedder(value)
    raise BadSetting("embedder", value, EXPECTED)


def _by_name(name: str, api_key: str | None, threads: int) -> Embedder | None:
    kind, _, rest = name.partition(":")
    if kind == "openai":
        from engrams.models.embedder_openai import OpenAIEmbedder

        model, _, url = rest.partition("@http")  # the model's own name may hold an @
        if not model:
            raise BadSetting(
                "embedder", name, "a model after 'openai:', as in 'openai:text-embedding-3-small'"
            )
        return OpenAIEmbedder("http" + url if url else OPENAI_URL, model, api_key)
    if name not in ("auto", "minilm"):
        raise UnknownName("embedder", name, NAMES)
    from engrams.models.minilm import installed

    if name == "auto" and not installed():
        return None
    return _minilm(threads)


@lru_cache(maxsize=4)
def _minilm(threads: int) -> Embedder:
    """One for all memories of the process: the loaded model takes about 100 MB, and is safe from several threads."""
    from engrams.models.minilm import MiniLM

    return MiniLM(threads=threads)
