"""What stands beside what: the contenders of each comparison, and the ratios that are looked at."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Ratio:
    """One line of a comparison: `of` over `over`, and what it should not exceed."""

    title: str
    of: str
    over: str
    limit: float | None = None


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
