"""Erasure of a user from everything below the data root except landing/."""
