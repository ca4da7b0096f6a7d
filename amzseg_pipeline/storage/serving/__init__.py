"""What the app serves: queries of a snapshot, downloads, batch scoring, plots."""
