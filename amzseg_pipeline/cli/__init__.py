"""The command line: run, rollback, erase."""
