"""What stands beside what: the contenders of each comparison, and the ratios that are looked at."""

import dataclasses
from collections.abc import Mapping

INTERVAL = 100  # steps between two updates of the masks, the default of the callbacks


@dataclasses.dataclass(frozen=True)
class Ratio:
    """One line of a comparison: `of` over `over`, and what it should not exceed.

    `of` is a contender, or several with the weights of their mean.
    """

    title: str
    of: str | Mapping[str, float]
    over: str
    limit: float | None = None

    @property
    def weights(self) -> Mapping[str, float]:
        """Contender -> weight."""
        return {self.of: 1.0} if isinstance(self.of, str) else self.of


def averaged(update: str) -> dict[str, float]:
    """An update step among plain ones with a closed tap."""
    return {"tapped": 1 - 1 / INTERVAL, update: 1 / INTERVAL}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Contenders that take turns, and what of them is compared."""

    contenders: tuple[str, ...]
    ratios: tuple[Ratio, ...]


COMPARISONS = {
    "training": Comparison(
        ("stock", "unmasked", "masked", "fit", "torch", "torch_channels_last"),
        (
            Ratio("masked / unmasked", "masked", "unmasked"),
            Ratio("unmasked / stock Keras layers", "unmasked", "stock"),
            Ratio("masked / torch", "masked", "torch"),
            Ratio("masked / torch, channels last", "masked", "torch_channels_last"),
            Ratio("trainer / fit", "masked", "fit", limit=1.0),
        ),
    ),
    "loop": Comparison(
        ("constant", "fed", "one_a_call", "saving"),
        (
            Ratio("shuffled, augmented / constant batch", "fed", "constant", limit=1.05),
            Ratio("one step a call / all in one", "one_a_call", "constant"),
            Ratio("a checkpoint a turn / none", "saving", "constant"),
        ),
    ),
    "moving": Comparison(
        ("masked", "tapped", "open_tap", "rigl_update", "granet_update", "gmp_update"),
        (
            Ratio("closed tap / masked", "tapped", "masked"),
            Ratio("open tap / masked", "open_tap", "masked"),
            Ratio("step with a RigL update / masked", "rigl_update", "masked"),
            Ratio("step with a GraNet update / masked", "granet_update", "masked"),
            Ratio("step with a GMP update / masked", "gmp_update", "masked"),
            Ratio(f"RigL, mean of {INTERVAL} steps", averaged("rigl_update"), "masked", limit=1.05),
            Ratio(f"GraNet, mean of {INTERVAL} steps", averaged("granet_update"), "masked", limit=1.05),
        ),
    ),
    "scoring": Comparison(
        ("masked", "snip", "grasp", "torch", "torch_snip", "torch_grasp", "torch_grasp_one_pass"),
        (
            Ratio("SNIP / training step", "snip", "masked", limit=1.25),
            Ratio("GraSP / training step", "grasp", "masked", limit=2.6),
            Ratio("torch SNIP / torch step", "torch_snip", "torch"),
            Ratio("torch GraSP / torch step", "torch_grasp", "torch"),
            Ratio("torch GraSP, one pass / step", "torch_grasp_one_pass", "torch"),
            Ratio("SNIP / torch SNIP", "snip", "torch_snip"),
            Ratio("GraSP / torch GraSP", "grasp", "torch_grasp"),
            Ratio("GraSP / torch GraSP, one pass", "grasp", "torch_grasp_one_pass"),
        ),
    ),
}
