"""What the fuzz tests share: ways to damage a file, and what may come of reading it.

`HYPOTHESIS_PROFILE=long` makes every test here try a hundred times as many examples, at random.
"""

import contextlib
import copy
import gc
import json
import os
import tracemalloc

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tf_tickets.support.startup import EXPECTED

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
MEGABYTE = 2**20
# Text that stands for JSON which Python itself would not write.
BEYOND = {
    "<deep>": "[" * 100_000 + "]" * 100_000,
    "<deep mapping>": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "<huge>": "9" * 5_000,
    "<half>": '{"a": [1, ',
    "<infinite>": "1e999999",
    "<surrogate>": '"\\ud800"',
}


def fuzz(examples: int) -> settings:
    """Settings of a fuzz test: a fifth of the examples, always the same; many random ones in a long run."""
    return settings(
        max_examples=examples * 100 if LONG else -(-examples // 5),
        derandomize=not LONG,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


class TookTooMuch(AssertionError):
    """More memory than was allowed, of all threads of the process together."""


@contextlib.contextmanager
def bounded(megabytes: float = 512):
    """For the duration no more memory is taken than this; what hangs is ended as in every test."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
        if peak >= megabytes * MEGABYTE:
            raise TookTooMuch(f"It took {peak / MEGABYTE:.0f} MB.")
    finally:
        tracemalloc.stop()


def read_or_refused(read, *named: str, megabytes: float = 64):
    """What `read()` gives; None where it refuses with an error that names one of `named`, and no other.

    Threads that other tests have left count too, so memory is measured up to three times.
    """
    for _ in range(2):
        with contextlib.suppress(TookTooMuch):
            return _read_or_refused(read, named, megabytes)
        gc.collect()
    return _read_or_refused(read, named, megabytes)


def _read_or_refused(read, named, megabytes):
    with bounded(megabytes):
        try:
            return read()
        except EXPECTED as error:
            said = str(error)
            assert any(name in said for name in named), f"names none of {named}: {error!r}"
            return None


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """The bytes with a few of them flipped, cut, inserted, repeated, or made a number far too large."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        length = draw(st.integers(1, 40))
        kind = draw(st.sampled_from(("flip", "overwrite", "cut", "end", "insert", "repeat", "extreme")))
        if kind == "flip" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "overwrite":
            content[at : at + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "cut":
            del content[at : at + length]
        elif kind == "end":
            del content[at:]
        elif kind == "insert":
            content[at:at] = draw(st.binary(min_size=1, max_size=40))
        elif kind == "repeat":
            content[at:at] = content[at : at + length]
        else:
            extreme = draw(st.sampled_from((b"\xff", b"\x7f", b"\x80", b"\0"))) * draw(
                st.sampled_from((2, 4, 8))
            )
            content[at : at + len(extreme)] = extreme
    return bytes(content)


ODD = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        -1,
        1.5,
        -0.0,
        1e308,
        10**18,
        10**400,
        float("nan"),
        float("inf"),
        "",
        "x" * 3000,
        "../../etc/passwd",
        "a\0b",
        "1\n2\r\x1b[31m",
        [],
        {},
        [None],
        [[]],
        {"": {}},
        *BEYOND,
    ]
)


@st.composite
def changed_json(draw, value) -> str:
    """The value as JSON text, with a few parts of it left out, added, or replaced by something else."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        odd = copy.deepcopy(draw(st.one_of(ODD, st.text(max_size=8), st.integers(), st.floats())))
        kind = draw(st.sampled_from(("replace", "replace", "leave out", "add", "wrap")))
        if kind == "leave out":
            del holder[key]
        elif kind == "add" and isinstance(holder, dict):
            holder[draw(st.text(max_size=5))] = odd
        elif kind == "add":
            holder.insert(key, odd)
        else:
            holder[key] = odd if kind == "replace" else [holder[key]]
    text = json.dumps(value)
    for token, raw in BEYOND.items():
        text = text.replace(json.dumps(token), raw)
    return text


def _places(value):
    """(container, key) of every part of a JSON value."""
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
