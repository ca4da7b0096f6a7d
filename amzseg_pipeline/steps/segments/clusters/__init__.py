"""KMeans clusters of scaled users and measures of their quality for every k."""
