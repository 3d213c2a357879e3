"""Where a memory in PostgreSQL lies: the address as given, without what nobody should see."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engrams.errors import BadSetting

#: The schema of a memory where the address names none.
SCHEMA = "engrams"
#: PostgreSQL cuts identifiers off after 63 bytes; quoted and unquoted these spell the same.
_SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_QUERY_SCHEMA = re.compile(r"([?&])schema=([^&]*)(&|$)")
#: Shown as the database program shows itself in pg_stat_activity, where the address does not say otherwise.
APPLICATION = "engrams"


@dataclass(frozen=True, slots=True)
class Address:
    """A server, a database and a schema in it. `conninfo` may hold a password and is never shown."""

    conninfo: str = field(repr=False)
    location: str
    schema: str
    user: str | None
    database: str | None

    @classmethod
    def parse(cls, url: str) -> Address:
        """Reads `postgresql://user:password@host:port/database?schema=name` and whatever else libpq understands.

        Raises:
            BadSetting: no such address; what is said of it holds no part of it that could be a password.
        """
        schema = SCHEMA
        found = _QUERY_SCHEMA.search(url)
        if found is not None:
            schema = found[2]
            kept = found[1] if found[3] else ""
            url = url[: found.start()] + kept + url[found.end() :]
        if not _SCHEMA_NAME.fullmatch(schema) or schema.startswith("pg_"):
            raise BadSetting(
                "schema", schema, "lower-case letters, digits and _, at most 63, not pg_…", "URL"
            )
        wrong = False
        try:
            parts = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            wrong = True  # libpq's message quotes the address, password and all
        if wrong:
            raise BadSetting(
                "path_or_url",
                "postgresql://…",
                "postgresql://user:password@host:port/database?schema=engrams",
                "URL",
            )
        parts.setdefault("application_name", APPLICATION)
        user, host = _text(parts.get("user")), _text(parts.get("host") or parts.get("hostaddr"))
        port, database = _text(parts.get("port")), _text(parts.get("dbname"))
        shown = f"{quote(user, safe='')}@" if user else ""
        shown += f"[{host}]" if host and ":" in host and "/" not in host else quote(host or "", safe=",.-_")
        shown += f":{port}" if port else ""
        location = f"postgresql://{shown}/{quote(database or '', safe='')}"
        if schema != SCHEMA:
            location += f"?schema={schema}"
        return cls(make_conninfo("", **parts), location, schema, user, database)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
