"""The HTTP API: the published snapshot and its model as JSON and Arrow, for downstream systems.

It is off unless AMZSEG_API=on, and runs in the server of the app under /api/v1. docs/api.md describes it.
"""

from amzseg_pipeline.app.http_api.access import api_routes

__all__ = ["api_routes"]
