"""What a run of Python comes to: its numbers, ticket and model."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import TYPE_CHECKING, Any

from tf_tickets.config import Config
from tf_tickets.data import Dataset
from tf_tickets.storage.urls import is_url, join
from tf_tickets.support.html_table import html_facts, html_table
from tf_tickets.support.scale import Scale
from tf_tickets.support.short_reprs import ShortList

if TYPE_CHECKING:
    import keras

    from tf_tickets.pruning import Ticket


@dataclasses.dataclass(frozen=True, eq=False)
class RunResult:
    """A finished run.

    Attributes:
        numbers: what result.json holds.
        config: what the run was told.
        dataset: that it was trained on; None where another process read it.
    """

    numbers: dict[str, Any]
    config: Config
    dataset: Dataset | None

    @property
    def scale(self) -> Scale:
        """What it is judged by, the name of a metric, and how that reads."""
        return Scale.of(self.numbers)

    @property
    def endpoint(self) -> float:
        """What it is judged by: that metric on the test set, after the final epoch."""
        return self.scale.endpoint(self.numbers)

    @property
    def dense_endpoint(self) -> float | None:
        """The same of the dense network, where one was trained."""
        return self.numbers.get(f"dense_test_{self.scale.metric}")

    @property
    def accuracy(self) -> float:
        """`endpoint` of a classification.

        Raises:
            AttributeError: the run is judged by another metric.
        """
        self._check_accuracy()
        return self.endpoint

    @property
    def dense_accuracy(self) -> float | None:
        """The same of the dense network, where one was trained."""
        self._check_accuracy()
        return self.dense_endpoint

    def _check_accuracy(self) -> None:
        if self.scale.metric != Scale().metric:
            raise AttributeError(f"The run is judged by {self.scale.words}: see its endpoint.")

    @property
    def sparsity(self) -> float:
        """That was reached."""
        return self.numbers["achieved_sparsity"]

    @property
    def path(self) -> pathlib.Path | str:
        """The run's directory, a path or a URL."""
        return self.config.run_dir if is_url(self.config.run_dir) else pathlib.Path(self.config.run_dir)

    @functools.cached_property
    def ticket(self) -> Ticket:
        """The masks. Of a run at a URL, its directory is to be fetched first."""
        from tf_tickets.pruning import Ticket

        return Ticket.load(self._local("ticket.npz"))

    @functools.cached_property
    def model(self) -> keras.Model:
        """The trained model, with its masks.

        Raises:
            ValueError: the code of a model of one's own is another by now.
        """
        from tf_tickets.config import check_model_code, load_data
        from tf_tickets.pipeline.preparation import build_model

        check_model_code(self.config)
        model = build_model(self.config, load_data(self.config) if self.dataset is None else self.dataset)
        model.load_weights(self._local("final.weights.h5"))
        self.ticket.apply(model)
        return model

    def table(self) -> str:
        """Layer by layer, as text."""
        return self.ticket.summary()

    def __repr__(self) -> str:
        check = f", {self.config.sanity_check}" if self.config.sanity_check else ""
        scale, dense = self.scale, self.dense_endpoint
        beside = "" if dense is None else f", dense {scale.plain(dense)}"
        return (
            f"RunResult({self.config.method}{check}, sparsity {self.sparsity:.4f}, seed {self.config.seed}: "
            f"{scale.words} {scale.plain(self.endpoint)}{beside}; {self.path})"
        )

    def _repr_html_(self) -> str:
        scale, dense = self.scale, self.dense_endpoint
        rows = {
            "method": self.config.method,
            "sparsity": f"{self.sparsity:.4%}",
            f"{scale.words} of the final epoch": _with_sign(scale, self.endpoint),
            "of the dense network": "-" if dense is None else _with_sign(scale, dense),
            "seed": self.config.seed,
            "directory": self.path,
        }
        return html_facts(rows)

    def _local(self, name: str) -> str:
        if is_url(self.config.run_dir):
            raise ValueError(f"{join(self.config.run_dir, name)} is at a URL. Copy the directory here first.")
        return join(self.config.run_dir, name)


def _with_sign(scale: Scale, value: float) -> str:
    return f"{value:.2%}" if scale.is_share else scale.plain(value)


class RunResults(ShortList[RunResult]):
    """Results of a sweep, in the order of its plan; in a notebook they are a table."""

    def _repr_html_(self) -> str:
        words = ", ".join(dict.fromkeys(result.scale.words for result in self)) or "accuracy"
        head = ("method", "check", "sparsity", "seed", words, "dense", "directory")
        rows = [
            (
                result.config.method,
                result.config.sanity_check or "",
                f"{result.sparsity:.4%}",
                result.config.seed,
                _with_sign(result.scale, result.endpoint),
                "" if result.dense_endpoint is None else _with_sign(result.scale, result.dense_endpoint),
                result.path,
            )
            for result in self
        ]
        return html_table(head, rows)
