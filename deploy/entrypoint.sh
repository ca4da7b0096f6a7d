#!/bin/sh
# Writes the instance's dagster.yaml, then executes the given command.
set -eu
mkdir -p "$DAGSTER_HOME"
case $AMZSEG_DATA in *://*) queue=deploy/queue.yaml ;; *) queue= ;; esac
cat deploy/dagster.yaml ${AMZSEG_POSTGRES_URL:+deploy/postgres.yaml} $queue > "$DAGSTER_HOME/dagster.yaml"
exec "$@"
