"""Which files are in landing/, what they are and whether they changed."""
