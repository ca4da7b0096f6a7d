"""`python -m amzseg_pipeline`, the same as the command `amzseg`."""

from amzseg_pipeline.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
