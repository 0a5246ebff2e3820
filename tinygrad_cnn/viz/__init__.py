"""Pictures: of computations, of filters, of how training went."""

from __future__ import annotations

from tinygrad_cnn.viz.ascent import maximize_activation
from tinygrad_cnn.viz.attributions import grad_cam, input_gradient, occlusion, saliency
from tinygrad_cnn.viz.boundaries import decision_regions, plot_decision_boundary
from tinygrad_cnn.viz.confusions import plot_confusion_matrix
from tinygrad_cnn.viz.curves import plot_history
from tinygrad_cnn.viz.distributions import ParameterHistograms, plot_histograms
from tinygrad_cnn.viz.figures import save_figure
from tinygrad_cnn.viz.filters import plot_filters
from tinygrad_cnn.viz.graphs import graph
from tinygrad_cnn.viz.heatmaps import plot_grad_cam, plot_occlusion, plot_saliency
from tinygrad_cnn.viz.layer_filters import plot_layer_filters
from tinygrad_cnn.viz.layer_maps import feature_maps, plot_feature_maps
from tinygrad_cnn.viz.mistakes import confusion_matrix, worst_mistakes
from tinygrad_cnn.viz.pictures import Graph
from tinygrad_cnn.viz.preferred_images import plot_activation_maximization
from tinygrad_cnn.viz.recordings import Recording, record
from tinygrad_cnn.viz.summaries import Summary, summary

__all__ = [
    "Graph",
    "ParameterHistograms",
    "Recording",
    "Summary",
    "confusion_matrix",
    "decision_regions",
    "feature_maps",
    "grad_cam",
    "graph",
    "input_gradient",
    "maximize_activation",
    "occlusion",
    "plot_activation_maximization",
    "plot_confusion_matrix",
    "plot_decision_boundary",
    "plot_feature_maps",
    "plot_filters",
    "plot_grad_cam",
    "plot_histograms",
    "plot_history",
    "plot_layer_filters",
    "plot_occlusion",
    "plot_saliency",
    "record",
    "saliency",
    "save_figure",
    "summary",
    "worst_mistakes",
]
