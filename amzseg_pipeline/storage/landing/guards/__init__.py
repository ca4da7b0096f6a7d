"""Checks of an export before a parser reads it."""
