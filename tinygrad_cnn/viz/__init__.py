"""Pictures: of computations, of filters, of how training went."""

from __future__ import annotations

from tinygrad_cnn.viz.curves import plot_history
from tinygrad_cnn.viz.figures import save_figure
from tinygrad_cnn.viz.filters import plot_filters
from tinygrad_cnn.viz.graphs import graph
from tinygrad_cnn.viz.pictures import Graph
from tinygrad_cnn.viz.recordings import Recording, record

__all__ = ["Graph", "Recording", "graph", "plot_filters", "plot_history", "record", "save_figure"]
