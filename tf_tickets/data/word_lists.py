"""Lists of words of several languages, made into a dataset of which no stem is on two sides: `build`."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tf_tickets.data.languages import ALPHABET, LANGUAGES, one_hot

SHORTEST, LONGEST = 4, 12
TRAIN, TEST = 3000, 600
_FOLDER = pathlib.PurePosixPath("/usr/share/dict")


@dataclasses.dataclass(frozen=True)
class KnownList:
    """A list of Debian's that the record can name.

    Attributes:
        package: that installs it.
        licence: its name.
    """

    package: str
    licence: str


# File in /usr/share/dict -> what /usr/share/doc/PACKAGE/copyright says of it.
KNOWN_LISTS = {
    "american-english": KnownList("wamerican", "SCOWL's own, permissive"),
    "british-english": KnownList("wbritish", "SCOWL's own, permissive"),
    "danish": KnownList("wdanish", "GPL-2+"),
    "dutch": KnownList("wdutch", "BSD or CC-BY-3.0"),
    "french": KnownList("wfrench", "GPL-2+"),
    "italian": KnownList("witalian", "GPL-3+"),
    "ngerman": KnownList("wngerman", "GPL-2+"),
    "portuguese": KnownList("wportuguese", "GPL-2+, LGPL-2.1+ or MPL-1.1"),
    "spanish": KnownList("wspanish", "public domain"),
    "swedish": KnownList("wswedish", "GPL-2+"),
}


def build(
    lists: Mapping[str, str | pathlib.Path],
    train: int = TRAIN,
    test: int = TEST,
    longest: int = LONGEST,
    seed: int = 0,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Makes a dataset of words and their languages, with classes of one size.

    Taken are words that a list has in lowercase letters (so no names, and no German nouns), of 4 to `longest`
    letters once accents are taken off; of those, words and stems that two languages have are left out, and of
    each stem one word is drawn. So no two words of the dataset have a stem in common, however it is split.

    Args:
        lists: language -> file with a word on each line, UTF-8 or Latin-1. The languages are those that
            snowballstemmer has a stemmer for.
        train: words for training of each language.
        test: words for the test of each language.
        longest: letters of the longest word, 4 or more; each place of a word is 26 inputs of a network.
        seed: of which words are drawn.

    Returns:
        The arrays `x_train`, `y_train`, `x_test`, `y_test` and `languages`; and a record of where they are
        from, for JSON: sources with their hashes and licences, rules and counts.

    Raises:
        ImportError: snowballstemmer is not installed.
        ValueError: fewer than two languages, one without a stemmer, or a list with too few words.
        OSError: a list cannot be read.
    """
    if len(lists) < 2:
        raise ValueError(f"Two languages or more make a dataset. Received: {', '.join(lists) or 'none'}")
    for name, value, least in (("train", train, 1), ("test", test, 1), ("longest", longest, SHORTEST)):
        if value < least:
            raise ValueError(f"{name}={value} is out of range: it is a whole number, {least} or more.")
    stemmers = {language: _stemmer(language) for language in lists}
    contents = {language: pathlib.Path(file).read_bytes() for language, file in lists.items()}
    found = {
        language: _words_by_stem(content, stemmers[language], longest)
        for language, content in contents.items()
    }
    drawn, counts = _drawn(found, train + test, seed)
    arrays = {
        f"{kind}_{part}": array
        for part, chosen in (("train", slice(train)), ("test", slice(train, None)))
        for kind, array in _examples({name: words[chosen] for name, words in drawn.items()}, longest).items()
    }
    record = {
        "what": "words and their languages",
        "languages": [
            {
                "language": language,
                **_source(lists[language], contents[language]),
                "lines": len(contents[language].splitlines()),
                **counts[language],
                "train": train,
                "test": test,
            }
            for language in lists
        ],
        "rules": {
            "letters": f"{SHORTEST} to {longest}, written in lowercase, accents taken off, {ALPHABET}",
            "stems": f"snowballstemmer {_version()}: one word of each, none of two languages",
        },
        "seed": seed,
    }
    return {**arrays, LANGUAGES: np.array(list(lists))}, record


def _words_by_stem(content: bytes, stem: Callable[[str], str], longest: int) -> dict[str, str]:
    """Word, of plain letters -> its stem, of such too."""
    fits = re.compile(f"[{ALPHABET}]{{{SHORTEST},{longest}}}")
    found = {}
    for line in _text(content).splitlines():
        word = line.strip()
        plain = _plain(word)
        if word.islower() and fits.fullmatch(plain):
            found[plain] = _plain(stem(word))
    return found


def _drawn(
    found: Mapping[str, Mapping[str, str]], count: int, seed: int
) -> tuple[dict[str, list[str]], dict[str, dict[str, int]]]:
    """So many words of each language in a random order, and how many there were at each step."""
    languages_of_word = Counter(word for words in found.values() for word in words)
    languages_of_stem = Counter(stem for words in found.values() for stem in set(words.values()))
    rng = np.random.default_rng(seed)
    drawn, counts = {}, {}
    for language, words in found.items():
        only_here = {word: stem for word, stem in sorted(words.items()) if languages_of_word[word] == 1}
        by_stem: dict[str, list[str]] = {}
        for word, stem in only_here.items():
            if languages_of_stem[stem] == 1:
                by_stem.setdefault(stem, []).append(word)
        if len(by_stem) < count:
            raise ValueError(
                f"{language}: {count} words are asked for, and its list has {len(by_stem)} stems that no "
                "other language has. Ask for fewer, or name a longer list."
            )
        stems = sorted(by_stem)
        chosen = rng.permutation(len(stems))[:count]
        drawn[language] = [by_stem[stems[i]][rng.integers(len(by_stem[stems[i]]))] for i in chosen]
        counts[language] = {
            "words": len(words),
            "words_of_no_other_language": len(only_here),
            "stems_of_no_other_language": len(by_stem),
        }
    return drawn, counts


def _examples(words: Mapping[str, list[str]], longest: int) -> dict[str, np.ndarray]:
    x = np.concatenate([one_hot(of_one, longest) for of_one in words.values()])
    y = np.repeat(np.arange(len(words)), [len(of_one) for of_one in words.values()])
    return {"x": x, "y": y}


def _source(file: str | pathlib.Path, content: bytes) -> dict[str, str]:
    """What is known of a list: its name and hash; of Debian's, the package and the licence."""
    path = pathlib.Path(file).resolve()
    known = KNOWN_LISTS.get(path.name) if path.parent == pathlib.Path(_FOLDER) else None
    return {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "package": known.package if known else "unknown",
        "licence": known.licence if known else "unknown: see where the list is from",
    }


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _plain(word: str) -> str:
    """A word without accents; letters that have no plain form stay."""
    return "".join(x for x in unicodedata.normalize("NFKD", word) if not unicodedata.combining(x))


def _stemmer(language: str) -> Callable[[str], str]:
    try:
        import snowballstemmer
    except ImportError as error:
        raise ImportError(
            "Words are split by their stems, which snowballstemmer finds: pip install tf_tickets[datasets]."
        ) from error
    known = sorted(snowballstemmer.algorithms())
    if language not in known:
        raise ValueError(f"There is no stemmer for {language!r}. Languages: {', '.join(known)}.")
    return snowballstemmer.stemmer(language).stemWord


def _version() -> str:
    from importlib.metadata import version

    return version("snowballstemmer")
