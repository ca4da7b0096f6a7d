"""Whether the API is on, and who may use it."""

import hmac
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import ip_address

from fastapi import HTTPException, Request
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import BaseRoute, Mount

from amzseg_pipeline.contracts.errors import SettingsError

API_VARIABLE = "AMZSEG_API"
TOKEN_VARIABLE = "AMZSEG_API_TOKEN"
PREFIX = "/api/v1"
MIN_TOKEN_CHARACTERS = 32
MAX_BODY_BYTES = 2**20


def api_routes(hosts: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[BaseRoute]:
    """The routes of the API, none unless it is on.

    Args:
        hosts: the addresses and host names that the server listens on.
        environment: the environment variables.

    Raises:
        SettingsError: the server can be reached by others and there is no token, or the token is too short.
    """
    switch = environment.get(API_VARIABLE, "off").strip().lower()
    if switch not in ("on", "off"):
        raise SettingsError(f"{API_VARIABLE}: {switch!r} is neither on nor off.")
    if switch == "off":
        return []
    token = environment.get(TOKEN_VARIABLE, "")
    exposed = [host for host in hosts if not is_loopback(host)]
    if exposed and not token:
        raise SettingsError(
            f"{API_VARIABLE}=on: the server can be reached as {', '.join(exposed)}; set {TOKEN_VARIABLE} to a "
            f"secret of at least {MIN_TOKEN_CHARACTERS} characters (openssl rand -hex 32), or listen on 127.0.0.1 only."
        )
    if token and len(token) < MIN_TOKEN_CHARACTERS:
        raise SettingsError(f"{TOKEN_VARIABLE}: it has fewer than {MIN_TOKEN_CHARACTERS} characters; use a longer one.")
    from amzseg_pipeline.app.http_api.endpoints import api

    # Hosts of another name are refused, so that no web page reaches the API by DNS rebinding.
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", *hosts])]
    return [Mount(PREFIX, app=api(token_check(token)), middleware=middleware, max_body_size=MAX_BODY_BYTES)]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def token_check(token: str) -> Callable[[Request], Awaitable[None]]:
    """A dependency that refuses requests without the bearer token; with no token every request passes."""

    async def check(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        is_valid = scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
        if token and not is_valid:
            raise HTTPException(
                401, f"Send the token: Authorization: Bearer ${TOKEN_VARIABLE}.", headers={"WWW-Authenticate": "Bearer"}
            )

    return check
