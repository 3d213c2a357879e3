"""Images, sounds and files: kept by reference, and named in the text so that words can find them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from engrams.errors import BadSetting
from engrams.records import Attachment, Json

#: Digits of the SHA-256 digest that stand in the text; the attachment holds all 64.
SHOWN_DIGITS = 12

_DATA_URI = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)


def named(attachment: Attachment) -> str:
    """How an attachment is named in a text: `[image: cat.png]`, or by media type, size and digest when nameless."""
    if attachment.name:
        return f"[{attachment.kind}: {attachment.name}]"
    known = [attachment.media_type] if attachment.media_type else []
    if attachment.bytes is not None:
        known.append(f"{attachment.bytes} bytes")
    if attachment.digest:
        known.append(f"sha256 {attachment.digest[:SHOWN_DIGITS]}")
    return f"[{attachment.kind}: {', '.join(known)}]" if known else f"[{attachment.kind}]"


def by_uri(
    kind: str, uri: str, where: str, *, name: str | None = None, media_type: str | None = None
) -> Attachment:
    """An attachment that lies elsewhere; of a `data:` address only type, size and digest are kept, not the bytes.

    Raises:
        BadSetting: a `data:` address that cannot be decoded.
    """
    if uri[:5].lower() == "data:":
        head = _DATA_URI.match(uri)
        if head is None:
            raise BadSetting(where, uri[:60], "a data: address such as 'data:image/png;base64,iVBOR…'")
        body = uri[head.end() :]
        packed = head[2].lower().endswith(";base64")
        data = _unpacked(body, where) if packed else unquote_to_bytes(body)
        return by_bytes(kind, data, name=name, media_type=media_type or head[1] or "text/plain")
    return Attachment(kind, uri, name or _name_of(uri), media_type)


def by_base64(
    kind: str, data: str, where: str, *, name: str | None = None, media_type: str | None = None
) -> Attachment:
    """An attachment whose bytes came with the message in base64 (bare, or as a `data:` address).

    Raises:
        BadSetting: the text is no base64.
    """
    if data[:5].lower() == "data:":
        return by_uri(kind, data, where, name=name, media_type=media_type)
    return by_bytes(kind, _unpacked(data, where), name=name, media_type=media_type)


def by_bytes(kind: str, data: bytes, *, name: str | None = None, media_type: str | None = None) -> Attachment:
    """An attachment known by its size and SHA-256 digest alone."""
    return Attachment(kind, None, name, media_type, hashlib.sha256(data).hexdigest(), len(data))


def from_part(part: Mapping[str, Json], where: str) -> Attachment | None:
    """The attachment that a content part of the OpenAI or Anthropic forms stands for; None where it is none.

    Raises:
        BadSetting: the part has the type of an attachment and lacks what it needs.
    """
    kind = _KINDS.get(str(part.get("type")))
    if kind is None:
        return None
    outer = part.get(str(part["type"]))
    held: Mapping[str, Json] = {**part, **outer} if isinstance(outer, Mapping) else part
    if isinstance(held.get("source"), Mapping):
        held = {**held, **held["source"]}
    name = _text(held, "filename", "file_name", "title", "name")
    media_type = _text(held, "media_type", "mime_type")
    if not media_type and (form := _text(held, "format")):
        media_type = f"{kind}/{form}"
    uri = outer if isinstance(outer, str) else _text(held, "url", "image_url", "file_url", "uri", "path")
    if uri:
        return by_uri(kind, uri, where, name=name, media_type=media_type)
    data = _text(held, "data", "file_data")
    if data:
        if held.get("type") == "text":  # Anthropic's plain-text documents carry their text unpacked
            return by_bytes(kind, data.encode("utf-8", "surrogatepass"), name=name, media_type=media_type)
        return by_base64(kind, data, where, name=name, media_type=media_type)
    identity = _text(held, "file_id", "id")
    if identity or name:
        return Attachment(kind, identity, name or identity, media_type)
    raise BadSetting(where, dict(part), f"a {part['type']} part with an address, data or a file id")


_KINDS = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "image_file": "image",
    "input_audio": "audio",
    "audio": "audio",
    "file": "file",
    "input_file": "file",
    "document": "file",
    "video": "video",
    "video_url": "video",
}

PART_TYPES: tuple[str, ...] = tuple(_KINDS)


def _unpacked(data: str, where: str) -> bytes:
    packed = "".join(data.split())
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as cause:
        raise BadSetting(where, data[:60], "base64 data") from cause


def _name_of(uri: str) -> str:
    """The last segment of an address, without query: what a person would call the file."""
    try:
        path = urlsplit(uri).path
    except ValueError:  # such as an unclosed bracket where a host should stand
        path = uri
    return unquote(path.rstrip("/").rsplit("/", 1)[-1].rsplit("\\", 1)[-1]) or uri


def _text(held: Mapping[str, Json], *keys: str) -> str | None:
    return next((held[k] for k in keys if isinstance(held.get(k), str) and held[k]), None)
