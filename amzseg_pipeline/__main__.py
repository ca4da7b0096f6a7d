"""`python -m amzseg_pipeline run`: the whole pipeline from a shell."""

from amzseg_pipeline.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
