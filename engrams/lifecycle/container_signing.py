"""Signatures of containers: HMAC-SHA256 with a shared key, or Ed25519 with a key pair."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from importlib.util import find_spec

from engrams.errors import Denied, NeedsExtra, UnknownFormat
from engrams.records import Json

#: What a private or public Ed25519 key in PEM begins with; any other bytes are a shared key.
_PEM = b"-----BEGIN "


def sign(manifest: bytes, key: bytes) -> dict[str, Json]:
    """The signature of a manifest: Ed25519 where the key is a private one in PEM, else HMAC-SHA256.

    Raises:
        NeedsExtra: an Ed25519 key, and `cryptography` is not installed.
        UnknownFormat: a PEM that is no Ed25519 private key.
    """
    if not key.startswith(_PEM):
        return {"algorithm": "hmac-sha256", "signature": hmac.new(key, manifest, hashlib.sha256).hexdigest()}
    _need()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError) as cause:
        raise UnknownFormat(
            f"the signing key cannot be read: {cause}; give an Ed25519 private key"
        ) from cause
    if not isinstance(private, Ed25519PrivateKey):
        raise UnknownFormat(
            "the signing key is of another kind; give an Ed25519 private key, or a shared secret"
        )
    return {"algorithm": "ed25519", "signature": private.sign(manifest).hex()}


def verify(manifest: bytes, signature: Mapping[str, Json] | None, key: bytes) -> None:
    """Nothing, where the manifest was signed with the key (or the private one of this public one).

    Raises:
        Denied: it was not.
        NeedsExtra: an Ed25519 signature, and `cryptography` is not installed.
    """
    if signature is None:
        raise Denied("the container carries no signature, and a key was given to check one; do not trust it")
    algorithm, given = signature.get("algorithm"), str(signature.get("signature"))
    if algorithm == "hmac-sha256" and not key.startswith(_PEM):
        made = hmac.new(key, manifest, hashlib.sha256).hexdigest()
        if hmac.compare_digest(made.encode(), given.encode()):
            return
    elif algorithm == "ed25519" and key.startswith(_PEM):
        _need()
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            public = load_pem_public_key(key)
            if isinstance(public, Ed25519PublicKey):
                public.verify(bytes.fromhex(given), manifest)
                return
        except (ValueError, InvalidSignature):
            pass  # said below, in the same words for every way of being wrong
    raise Denied(
        "the signature of the container is not of this key: it was changed, or signed by somebody else"
    )


def _need() -> None:
    if find_spec("cryptography") is None:
        raise NeedsExtra("an Ed25519 signature", "encryption")
