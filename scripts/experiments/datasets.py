"""Makes datasets of what Debian has, for machines without a network: words of languages, and tables.

    apt-get install wamerican wfrench wngerman wspanish witalian wdutch wportuguese wdanish wswedish
    ./scripts/datasets words words.npz english=/usr/share/dict/american-english french=FILE ...

    apt-get download r-cran-mlbench && dpkg -x r-cran-mlbench_*.deb mlbench
    ./scripts/datasets table letter.npz mlbench/usr/lib/R/site-library/mlbench/data/LetterRecognition.rda

Words are for --dataset=words:FILE, tables for --dataset=npz:FILE. Beside FILE.npz stands FILE.json: where
all of it is from, under which licences, how it was split, and counts. No file that is there is overwritten.
"""

import hashlib
import pathlib
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from absl import app, flags

from tf_tickets.data import mlbench_tables, word_lists
from tf_tickets.storage.atomic_files import replacing, write_json

USAGE = "scripts/datasets words FILE.npz LANGUAGE=LIST ..., or scripts/datasets table FILE.npz TABLE.rda"
Made = tuple[dict[str, np.ndarray], dict[str, Any]]


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the program."""
    for name, default, least, about in (
        ("train", word_lists.TRAIN, 1, "Words for training of each language."),
        ("test", word_lists.TEST, 1, "Words for the test of each language."),
        ("longest", word_lists.LONGEST, word_lists.SHORTEST, "Letters of the longest word."),
        ("seed", 0, 0, "Of which words are drawn."),
    ):
        flags.DEFINE_integer(name, default, about, lower_bound=least, flag_values=values)


def main(argv: Sequence[str]) -> int:
    """Makes one dataset; an error is one line."""
    try:
        kind, file, *sources = argv[1:]
        make = MAKERS[kind]
    except (ValueError, KeyError):
        usage = (
            "scripts/datasets words FILE.npz LANGUAGE=LIST ..., or scripts/datasets table FILE.npz TABLE.rda"
        )
        print(f"{usage}. Received: {' '.join(argv[1:]) or 'nothing'}", file=sys.stderr)
        return 1
    try:
        path = pathlib.Path(file)
        record = path.with_suffix(".json")
        _check_places(path, record)
        arrays, facts = make(sources, flags.FLAGS)
        with replacing(path) as scratch:
            np.savez_compressed(scratch, **arrays)
        write_json(record, facts)
    except (ImportError, OSError, ValueError) as error:
        print(f"scripts/datasets: {error}", file=sys.stderr)
        return 1
    x, test = arrays["x_train"], arrays["x_test"]
    print(f"{path}: {len(x):,} examples for training and {len(test):,} for the test, each {x.shape[1:]}")
    print(record)
    return 0


def make_words(sources: Sequence[str], values: flags.FlagValues) -> Made:
    """A dataset of lists, LANGUAGE=FILE each."""
    return word_lists.build(_lists(sources), values.train, values.test, values.longest, values.seed)


def make_table(sources: Sequence[str], values: flags.FlagValues) -> Made:
    """A dataset of one .rda file."""
    if len(sources) != 1:
        raise ValueError(f"a table is made of one .rda file. Received: {' '.join(sources) or 'none'}")
    path = pathlib.Path(sources[0])
    content = path.read_bytes()
    ((name, frame),) = _tables(path).items()
    arrays, record = mlbench_tables.build(name, frame)
    return arrays, {**record, "file": path.name, "sha256": hashlib.sha256(content).hexdigest()}


def _tables(path: pathlib.Path) -> Mapping[str, Any]:
    """The one table in a file of R's, by its name."""
    try:
        import rdata
    except ImportError as error:
        raise ImportError("files of R's are read by rdata: .venv/bin/pip install rdata") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The file does not say how names are encoded; they are plain.
            found = rdata.read_rda(path)
    except Exception as error:
        raise ValueError(f"{path} cannot be read as a file of R's data: {error}") from error
    if len(found) != 1:
        raise ValueError(f"{path} holds {', '.join(found) or 'nothing'}; expected one table.")
    return found


def _lists(sources: Sequence[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for source in sources:
        language, equals, file = source.partition("=")
        if not (language and equals and file) or language in found:
            raise ValueError(f"lists are given as LANGUAGE=FILE, each language once. Received: {source}")
        found[language] = file
    return found


def _check_places(path: pathlib.Path, record: pathlib.Path) -> None:
    if path.suffix != ".npz":
        raise ValueError(f"what is made is a .npz file. Received: {path}")
    for place in (path, record):
        if place.exists():
            raise ValueError(f"{place} is there already, and nothing is overwritten. Name another file.")


MAKERS: dict[str, Callable[[Sequence[str], flags.FlagValues], Made]] = {
    "words": make_words,
    "table": make_table,
}


if __name__ == "__main__":
    define_flags(flags.FLAGS)
    app.run(main)
