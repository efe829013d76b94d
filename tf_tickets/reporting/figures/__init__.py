"""The figures of a report, as SVG and PDF: each function makes one from an experiment, or None."""

from tf_tickets.reporting.figures.check_bars import bars
from tf_tickets.reporting.figures.composition import Sample, compose
from tf_tickets.reporting.figures.density_lines import densities
from tf_tickets.reporting.figures.learning_curves import learning
from tf_tickets.reporting.figures.ratio_lines import ratios
from tf_tickets.reporting.figures.shipping_points import deployments
from tf_tickets.reporting.figures.sparsity_lines import curves

__all__ = ["Sample", "bars", "compose", "curves", "densities", "deployments", "learning", "ratios"]
