"""Pseudonyms for ids of users and reviews: HMAC-SHA256 with a key that is stored outside the data."""

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass, field

from amzseg_pipeline.contracts.errors import SettingsError

USER_KEY_VARIABLE = "AMZSEG_USER_KEY"
FORMER_KEYS_VARIABLE = "AMZSEG_FORMER_USER_KEYS"
MIN_KEY_BYTES = 32
"""As long as the hash (RFC 2104); a shorter key could be found by brute force."""


@dataclass(frozen=True)
class UserKey:
    """The secret key. Its owner can compute the pseudonym of a known id; a pseudonym cannot be inverted."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < MIN_KEY_BYTES:
            raise SettingsError(
                f"{USER_KEY_VARIABLE}: a key of {len(self.secret)} bytes is too short; "
                f"give at least {MIN_KEY_BYTES} bytes, for example from `openssl rand -hex 32`."
            )

    @property
    def id(self) -> str:
        """First 8 hexadecimal digits of a hash of the key: identifies the key without revealing it."""
        return hashlib.sha256(b"amzseg user key\0" + self.secret).hexdigest()[:8]

    def pseudonym(self, source_id: str) -> str:
        """The pseudonym of a source id, 64 hexadecimal digits; ids with the same normalized_id have the same."""
        return hmac.digest(self.secret, normalized_id(source_id).encode(), "sha256").hex()


def normalized_id(source_id: str) -> str:
    """The id without outer white space and in Unicode normal form C; upper and lower case stay different."""
    return unicodedata.normalize("NFC", source_id.strip())


def user_key_from(text: str | None) -> UserKey | None:
    """The key in `text`, None if it is empty. Raises SettingsError if it is too short."""
    return UserKey(text.strip().encode()) if text and text.strip() else None


def check_user_ids(policy: str, key: UserKey | None, *, last_key_id: str | None) -> None:
    """Raises SettingsError if the ids would be published in a form that `policy` (setting user_ids) forbids.

    A key that is lost between two runs must not reveal the ids behind published pseudonyms.
    """
    if policy == "given" and key is not None:
        raise SettingsError(f'settings: user_ids = "given" and {USER_KEY_VARIABLE} is set; remove one of them.')
    if policy == "keyed" and key is None:
        raise SettingsError(f'settings: user_ids = "keyed" needs {USER_KEY_VARIABLE}; set it for every process.')
    if policy == "either" and key is None and last_key_id is not None:
        raise SettingsError(
            f"{USER_KEY_VARIABLE} is not set, and the latest snapshot has pseudonyms of key {last_key_id}; "
            'set it, or give user_ids = "given" to publish source ids from now on.'
        )
