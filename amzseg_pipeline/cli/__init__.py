"""The command line: amzseg run, rollback, erase, prune."""
