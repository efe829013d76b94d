"""Draws docs/images/run.svg: what a person sees of the default run, made by running it.

.venv/bin/python scripts/benchmarks/picture.py [flags of tf_tickets.run]
"""

import pathlib
import sys
import tempfile

import rich.console
from absl import flags

from tf_tickets import config, data, pipeline, training
from tf_tickets.support.console import Console

PICTURE = pathlib.Path(__file__).parents[2] / "docs" / "images" / "run.svg"
COMMAND = "./scripts/run --method=hybrid --sparsity=0.98"


def main() -> None:
    """Runs and draws."""
    config.define_flags()
    with tempfile.TemporaryDirectory() as scratch:
        flags.FLAGS([sys.argv[0], f"--run_dir={scratch}/runs/hybrid", *sys.argv[1:]])
        config.check_flags(flags.FLAGS)
        dataset = data.load(flags.FLAGS.dataset)
        settings = config.make_config(flags.FLAGS, dataset, replicas=1)
        # Not a terminal: lines stay, where bars would come and go.
        screen = rich.console.Console(record=True, width=112, force_terminal=False, highlight=False)
        screen.print(f"[bold]$ {COMMAND}[/bold]")
        pipeline.run(settings, dataset, training.make_strategy("none"), Console(screen))
        drawing = screen.export_svg(title="tf_tickets").replace(f"{scratch}/", "")
    PICTURE.write_text(drawing)


if __name__ == "__main__":
    main()
