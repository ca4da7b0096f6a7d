#!/bin/sh
# Writes the instance's dagster.yaml, then becomes the command it was given.
set -eu
mkdir -p "$DAGSTER_HOME"
cat deploy/dagster.yaml ${AMZSEG_POSTGRES_URL:+deploy/postgres.yaml} > "$DAGSTER_HOME/dagster.yaml"
exec "$@"
