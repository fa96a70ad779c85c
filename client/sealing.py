"""Sealing access data so that only the member can open it to whom it is sealed.

A libsodium sealed box: X25519 agrees on a key, XSalsa20-Poly1305 encrypts. The sender's half of the key is
thrown away, so a seal is never the same twice and not even its maker can open it again. The market carries
the box and the public key; the private key never leaves the member.
"""

import base64
import binascii
import dataclasses

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox


class Sealed(Exception):  # noqa: N818 - said to people
    """A box stays closed: the key is another one, the box is damaged, or one of them is none at all."""


@dataclasses.dataclass(frozen=True)
class KeyPair:
    """Both halves of a key for sealing, 32 bytes each in base64.

    Attributes:
        private: opens; stays with the member.
        public: seals; stands in the register as `sealing_key`.
    """

    private: str = dataclasses.field(repr=False)
    public: str


def new_key_pair() -> KeyPair:
    """Make a key pair from the system's randomness."""
    return _pair_of(PrivateKey.generate())


def key_pair_of(private_key: str) -> KeyPair:
    """Complete a key pair from its private half.

    Raises:
        Sealed: it is no private key.
    """
    return _pair_of(_private(private_key))


def _pair_of(key: PrivateKey) -> KeyPair:
    return KeyPair(private=_text(bytes(key)), public=_text(bytes(key.public_key)))


def seal(text: str, public_key: str) -> str:
    """Seal text to a public key. Returns the box in base64.

    Raises:
        Sealed: it is no public key.
    """
    try:
        box = SealedBox(PublicKey(_bytes(public_key)))
    except (CryptoError, TypeError, ValueError) as error:
        raise Sealed("this is no public key for sealing") from error
    return _text(box.encrypt(text.encode()))


def unseal(sealed: str, private_key: str) -> str:
    """Open a box.

    Raises:
        Sealed: this key does not open it.
    """
    key = _private(private_key)
    try:
        return SealedBox(key).decrypt(_bytes(sealed)).decode()
    except (CryptoError, TypeError, ValueError) as error:
        raise Sealed("this key does not open it") from error


def _private(private_key: str) -> PrivateKey:
    try:
        return PrivateKey(_bytes(private_key))
    except (CryptoError, TypeError, ValueError) as error:
        raise Sealed("this is no private key for sealing") from error


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Sealed("this is not base64") from error
