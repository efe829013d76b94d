"""Datasets: `load` one by name; `SOURCES` lists what there is."""

from tf_tickets.data.dataset import Dataset
from tf_tickets.data.examples import Examples
from tf_tickets.data.preprocessing import Preprocessing
from tf_tickets.data.source import Source
from tf_tickets.data.sources import SOURCES, load
from tf_tickets.training.recipe import Recipe

__all__ = ["SOURCES", "Dataset", "Examples", "Preprocessing", "Recipe", "Source", "load"]
