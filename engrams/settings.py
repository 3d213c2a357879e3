"""Settings, read once, at the edge: packaged defaults, then `engrams.toml`, then the environment, then arguments.

`engrams.toml` is looked for in the working folder, then in the user's configuration folder. The environment
variables are `ENGRAMS_` and the setting's name in capitals: `ENGRAMS_DB`, `ENGRAMS_RECIPE`, `ENGRAMS_MODEL` and so on. Keys of
providers stand in the environment only.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType

import platformdirs

from engrams.errors import BadSetting, UnknownName

FILE = "engrams.toml"
#: What can be done with secrets found at write: nothing, put a mark in their place, refuse the write.
GUARDS = ("off", "mask", "refuse")
#: Settings that are one of a few words.
CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "guard": GUARDS,
        "log": ("auto", "text", "json", "off"),
        "log_level": ("debug", "info", "warning", "error"),
    }
)


#: Settings that are numbers: their type, least and most, and what is said where something else stands.
NUMBERS: Mapping[str, tuple[type[int] | type[float], float, float, str]] = MappingProxyType(
    {
        "budget": (int, 1, 1_000_000, "a whole number of tokens from 1 to 1,000,000"),
        "model_tokens_per_day": (int, 0, 10**12, "a whole number of tokens, 0 (no limit) or more"),
        "model_money_per_day": (float, 0, 10**9, "a sum of money, 0 (no limit) or more"),
        "model_timeout": (float, 0.1, 86_400, "seconds from 0.1 to 86,400"),
        "model_concurrency": (int, 1, 256, "a whole number from 1 to 256"),
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person can set. `origins` says for each name where its value came from.

    `db`: path or URL of the store; None: `memory.db` in the user's data folder. `recipe`: name of the recipe.
    `namespace`: path used where a call names none. `embedder`: "auto" (one that is installed, else none), "none",
    or a name the embedders know. `budget`: tokens of a context, 1 to 1,000,000.
    `guard`: what is done with secrets and personal data that patterns find in what is written: "off", "mask", "refuse".
    `model`: the language model, "none" or a name the models know; `models`: others for single operations
    ("reflect=anthropic:NAME,extract=openai:NAME@URL"). `model_prices`: money per million tokens ("NAME=in/out"); a price that is
    not there is unknown. `model_tokens_per_day`, `model_money_per_day`: limits over the whole store (0: none).
    `model_timeout`: seconds of silence until an attempt is given up. `model_concurrency`: requests under way at
    once, 1 to 256. `model_cache`: where answers are remembered: "process", "off", a folder.
    `log`: what the doors do with the log: "text", "json", "off"; "auto": text at servers, off else. `log_level`: "debug", "info",
    "warning", "error".
    """

    db: str | None = None
    recipe: str = "engrams"
    namespace: str = "default"
    embedder: str = "auto"
    budget: int = 2000
    guard: str = "off"
    model: str = "none"
    models: str = ""
    model_prices: str = ""
    model_tokens_per_day: int = 0
    model_money_per_day: float = 0.0
    model_concurrency: int = 4
    model_timeout: float = 120.0
    model_cache: str = "process"
    log: str = "auto"
    log_level: str = "warning"
    origins: tuple[tuple[str, str], ...] = ()

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
        """Reads file and environment.

        Raises:
            BadSetting: a value of the wrong type or out of range, with the file or variable it came from.
            UnknownName: a key that is no setting.
        """
        environ = os.environ if environ is None else environ
        found = cls()
        for file in (Path(platformdirs.user_config_dir("engrams")) / FILE, (folder or Path()) / FILE):
            if _is_there(file):
                try:
                    values = tomllib.loads(file.read_text("utf-8"))
                except OSError as cause:
                    raise BadSetting(FILE, str(cause), "a file that you may read", str(file)) from cause
                except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
                    raise BadSetting(
                        FILE, str(cause), 'a file in TOML, such as: db = "memory.db"', str(file)
                    ) from cause
                for key, value in values.items():
                    found = found._with(key, value, str(file))
        for key in _names():
            variable = f"ENGRAMS_{key.upper()}"
            if environ.get(variable):
                found = found._with(key, environ[variable], variable)
        return found

    def _with(self, key: str, value: object, origin: str) -> Settings:
        if key not in _names():
            raise UnknownName(f"setting in {origin}", key, _names())
        if key in NUMBERS:
            kind, least, most, expected = NUMBERS[key]
            try:
                value = kind(str(value))
            except ValueError as cause:
                raise BadSetting(key, value, expected, origin) from cause
            if not least <= value <= most:
                raise BadSetting(key, value, expected, origin)
        elif key in CHOICES and value not in CHOICES[key]:
            raise BadSetting(key, value, " or ".join(map(repr, CHOICES[key])), origin)
        elif not isinstance(value, str) or not value.strip():
            raise BadSetting(key, value, "text that is not empty", origin)
        return replace(self, **{key: value}, origins=(*self.origins, (key, origin)))  # type: ignore[arg-type]


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except (
        PermissionError
    ):  # a folder that may not be entered (another user's home, after sudo) holds no settings for us
        return False


def _names() -> list[str]:
    return [f.name for f in fields(Settings) if f.name != "origins"]


def default_path() -> Path:
    """Where the memory lies when nobody says otherwise: `memory.db` in the user's data folder."""
    return Path(platformdirs.user_data_dir("engrams", appauthor=False)) / "memory.db"
