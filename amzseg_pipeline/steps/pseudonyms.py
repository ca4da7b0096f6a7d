"""Pseudonyms for the ids of users and of their reviews: HMAC-SHA256 with a key that is kept outside of the data."""

import hashlib
import hmac
from dataclasses import dataclass, field

from amzseg_pipeline.contracts.errors import SettingsError

USER_KEY_VARIABLE = "AMZSEG_USER_KEY"
FORMER_KEYS_VARIABLE = "AMZSEG_FORMER_USER_KEYS"
MIN_KEY_BYTES = 32
"""As long as the hash (RFC 2104); a shorter key could be found by trying, and with it every id."""


@dataclass(frozen=True)
class UserKey:
    """The secret key. Whoever has it can find a known id's pseudonym; nobody can turn a pseudonym back into its id."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < MIN_KEY_BYTES:
            raise SettingsError(
                f"{USER_KEY_VARIABLE}: {len(self.secret)} bytes are too short for a key; "
                f"give at least {MIN_KEY_BYTES}, such as `openssl rand -hex 32` makes."
            )

    @property
    def id(self) -> str:
        """First 8 hexadecimal digits of a hash of the key: tells keys apart and gives nothing away."""
        return hashlib.sha256(b"amzseg user key\0" + self.secret).hexdigest()[:8]

    def pseudonym(self, given_id: str) -> str:
        """The pseudonym of an id as the source gives it, 64 hexadecimal digits."""
        return hmac.digest(self.secret, given_id.encode(), "sha256").hex()


def user_key_from(text: str | None) -> UserKey | None:
    """The key that `text` is, None where there is none. SettingsError where it is too short."""
    return UserKey(text.strip().encode()) if text and text.strip() else None


def check_user_ids(policy: str, key: UserKey | None, *, last_key_id: str | None) -> None:
    """SettingsError where ids would be published as given although they should not be; `policy` is a `user_ids`.

    A key that got lost between two nights must not give away whom yesterday's pseudonyms stand for.
    """
    if policy == "given" and key is not None:
        raise SettingsError(f'settings: user_ids = "given" and {USER_KEY_VARIABLE} is set; take one of them away.')
    if policy == "keyed" and key is None:
        raise SettingsError(f'settings: user_ids = "keyed" needs {USER_KEY_VARIABLE}; set it for every process.')
    if policy == "either" and key is None and last_key_id is not None:
        raise SettingsError(
            f"{USER_KEY_VARIABLE} is not set, and the last snapshot's users are pseudonyms of key {last_key_id}; "
            'set it, or give user_ids = "given" to publish ids as the source gives them from now on.'
        )
