"""From user features to segments: what is learnt from a sample of users, and how everyone is scored with it.

sample -> scaling -> choosing_k -> clustering -> names, composed by fitting into a Model; documents writes it down,
scoring and profiles use it, export hands it to notebooks.
"""

from amzseg_pipeline.steps.segments.documents import (
    feature_scaling_document,
    feature_scaling_from_document,
    model_document,
    model_from_document,
)
from amzseg_pipeline.steps.segments.export import exported_pipeline
from amzseg_pipeline.steps.segments.fitting import cluster_model, fitted_model
from amzseg_pipeline.steps.segments.profiles import segment_profiles
from amzseg_pipeline.steps.segments.sample import training_sample
from amzseg_pipeline.steps.segments.scaling import feature_scaling, scaled_features
from amzseg_pipeline.steps.segments.scoring import scored_users

__all__ = [
    "cluster_model",
    "exported_pipeline",
    "feature_scaling",
    "feature_scaling_document",
    "feature_scaling_from_document",
    "fitted_model",
    "model_document",
    "model_from_document",
    "scaled_features",
    "scored_users",
    "segment_profiles",
    "training_sample",
]
