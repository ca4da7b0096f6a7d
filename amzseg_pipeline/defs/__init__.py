"""The Dagster definitions: thin assets with their checks, jobs, schedules, sensors, resources."""
