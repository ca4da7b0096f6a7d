"""From user features to scaled axes: sampling, shrinkage of means of few reviews, scaling."""
