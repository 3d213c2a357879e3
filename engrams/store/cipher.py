"""The cipher of an encrypted memory, and the keys that open it.

A random data key does the work; it lies in the settings, encrypted with the user's key, which is what a rotation changes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from engrams.errors import BadSetting, Corrupt, Denied, NeedsExtra, NewerSchema

SETTING = "seal"
#: What is sealed: 1, texts; 2, also metadata, attachments, jobs and payloads, and nothing that stands for these unsealed
#: is taken for them.
VERSION = 2
#: What a sealed text begins with: the form, and its version.
MARK = "sealed:1:"
#: What a generated key begins with; anything else is a passphrase.
KEY_MARK = "engrams-key-"
KEY_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D, section 8.2: 96 bits, random
#: Cost of turning a passphrase into a key (RFC 7914): 32 MiB and about a tenth of a second.
SCRYPT = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26}
SHORTEST_PASSPHRASE = 12
#: Rounds of the permutation of term hashes; four make a strong one (Luby and Rackoff, 1988), two more cost little.
ROUNDS = 6
_HALVES = 2**16


def new_key() -> str:
    """A fresh key, as text: 256 random bits."""
    return KEY_MARK + base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


class Cipher:
    """What one data key does: seals texts and payloads, permutes hashes, keys digests.

    `version` is that of the seal: what a memory of version 1 wrote unsealed is read as it is.
    """

    def __init__(self, data_key: bytes, version: int = VERSION) -> None:
        self.version = version
        self._payloads = _part(data_key, b"payloads")
        self._aead = _aead(_part(data_key, b"text"))
        self._digests = _part(data_key, b"digests")
        raw = hashlib.shake_256(_part(data_key, b"terms")).digest(2 * ROUNDS * _HALVES)
        self._rounds = np.frombuffer(raw, "<u2").reshape(ROUNDS, _HALVES)
        chance = np.frombuffer(hashlib.shake_256(_part(data_key, b"pieces")).digest(8 * _HALVES), "<u8")
        self._pieces = np.argsort(chance, kind="stable").astype(np.uint16)
        self._pieces_back = np.argsort(self._pieces, kind="stable").astype(np.uint16)

    def seal(self, text: str, about: str) -> str:
        """A text as it is stored; `about` names what it belongs to, and must be the same when it is opened."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._aead.encrypt(nonce, text.encode("utf-8", "surrogatepass"), about.encode())
        return MARK + base64.b64encode(nonce + sealed).decode()

    def open(self, text: str, about: str) -> str:
        """The text that was sealed.

        Raises:
            Corrupt: it was changed, or belongs to something else.
        """
        try:
            raw = base64.b64decode(text.removeprefix(MARK), validate=True)
            if not text.startswith(MARK):
                raise ValueError("no sealed text")
            opened: bytes = self._aead.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], about.encode())
        except (ValueError, invalid_tag()) as cause:
            raise Corrupt(
                f"the text of {about} was changed after it was encrypted; restore a backup"
            ) from cause
        return opened.decode("utf-8", "surrogatepass")

    def of_payload(self, salt: bytes) -> Any:
        """AES-256-GCM with a key of its own for one payload, so that the numbers of its parts can be nonces."""
        return _aead(_part(self._payloads, salt))

    def digest(self, text: str) -> str:
        """A digest that only the key can make again: 64 hex digits."""
        return hmac.new(self._digests, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def terms(self, hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Term hashes, uint32[n], as they are stored: a keyed permutation of 32 bits."""
        left, right = (hashes >> 16).astype(np.uint16), (hashes & 0xFFFF).astype(np.uint16)
        for table in self._rounds:
            left, right = right, left ^ table[right]
        return _whole(left, right)

    def terms_back(self, stored: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """What `terms` undoes, uint32[n]."""
        left, right = (stored >> 16).astype(np.uint16), (stored & 0xFFFF).astype(np.uint16)
        for table in self._rounds[::-1]:
            left, right = right ^ table[left], left
        return _whole(left, right)

    def pieces(self, ids: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """Word-piece ids, uint16[n], as they are stored."""
        return np.asarray(self._pieces[ids])

    def pieces_back(self, stored: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """What `pieces` undoes, uint16[n]."""
        return np.asarray(self._pieces_back[stored])


def make_seal(key: str) -> tuple[str, bytes]:
    """(a new data key encrypted with the user's key, as the setting keeps it; the data key)."""
    data_key = os.urandom(KEY_BYTES)
    return wrap(data_key, key), data_key


def wrap(data_key: bytes, key: str, version: int = VERSION) -> str:
    """The data key encrypted with the user's key, as the setting keeps it, with the version of the seal."""
    salt, nonce = os.urandom(16), os.urandom(NONCE_BYTES)
    sealed = _aead(_user_key(key, salt)).encrypt(nonce, data_key, SETTING.encode())
    return json.dumps({"version": version, "salt": salt.hex(), "key": (nonce + sealed).hex()})


def version_of(seal: str) -> int:
    """The version of a seal.

    Raises:
        NewerSchema: of a later engrams.
    """
    version = int(json.loads(seal)["version"])
    if version > VERSION:
        raise NewerSchema(
            f"this memory is sealed in version {version}, this engrams knows up to {VERSION}; upgrade engrams "
            "(pip install -U engrams)"
        )
    return version


def unwrap(seal: str, key: str) -> bytes:
    """The data key.

    Raises:
        Denied: not the key that it was encrypted with.
        BadSetting: no usable key.
    """
    row = json.loads(seal)
    raw = bytes.fromhex(row["key"])
    try:
        found: bytes = _aead(_user_key(key, bytes.fromhex(row["salt"]))).decrypt(
            raw[:NONCE_BYTES], raw[NONCE_BYTES:], SETTING.encode()
        )
    except invalid_tag() as cause:
        raise Denied("the key in ENGRAMS_KEY is not the one this memory is encrypted with") from cause
    return found


def _whole(left: npt.NDArray[np.uint16], right: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint32]:
    return (left.astype(np.uint32) << np.uint32(16)) | right


def _part(key: bytes, use: bytes) -> bytes:
    return hmac.new(key, b"engrams " + use, hashlib.sha256).digest()


def _user_key(key: str, salt: bytes) -> bytes:
    if key.startswith(KEY_MARK):
        try:
            raw = base64.urlsafe_b64decode(key.removeprefix(KEY_MARK))
        except ValueError:
            raw = b""
        if len(raw) != KEY_BYTES:
            raise BadSetting(
                "ENGRAMS_KEY", "(hidden)", "a whole key as `engrams encrypt --new-key` prints it"
            )
        return _part(raw, salt)
    if len(key) < SHORTEST_PASSPHRASE:
        raise BadSetting(
            "ENGRAMS_KEY",
            "(hidden)",
            f"a passphrase of at least {SHORTEST_PASSPHRASE} characters, or a generated key",
        )
    return hashlib.scrypt(key.encode("utf-8", "surrogatepass"), salt=salt, dklen=KEY_BYTES, **SCRYPT)


def invalid_tag() -> type[Exception]:
    """What is raised where a text or payload is not what was sealed."""
    from cryptography.exceptions import InvalidTag

    return InvalidTag


def _aead(key: bytes) -> Any:
    if find_spec("cryptography") is None:
        raise NeedsExtra("an encrypted memory", "encryption")
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)
