"""Ticket files: damaged archives, arrays and headers; the common cases are in `tests/pruning`."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import bounded, changed_json, damaged, fuzz, read_or_refused
from tests.runs import configure
from tf_tickets import Ticket

TICKET = Ticket(
    (np.arange(24).reshape(2, 3, 4) % 3 == 0, np.arange(10) < 4),
    ("first/kernel", "last/kernel"),
    {"method": "lt", "score": "magnitude", "sparsity": 0.5},
    ("a note",),
    (3, 2),
)


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The members of a ticket's file, by name."""
    path = tmp_path_factory.mktemp("ticket") / "ticket.npz"
    TICKET.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(folder, members):
    path = folder / "ticket.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def loaded(path):
    """The ticket, or None where it is refused by name; a ticket can be shown, and written again."""
    ticket = read_or_refused(lambda: Ticket.load(path), str(path), megabytes=16)
    if ticket is not None:
        assert str(ticket) and repr(ticket) and 0 <= ticket.sparsity <= 1
        ticket.save(path.with_name("again.npz"), overwrite=True)
        assert Ticket.load(path.with_name("again.npz")).sha256 == ticket.sha256
    return ticket


@pytest.mark.slow
@fuzz(120)
@given(changes=st.data())
def test_a_header_with_other_values(tmp_path_factory, members, changes):
    header = json.loads(str(np.load(io.BytesIO(members["header.npy"]))))
    buffer = io.BytesIO()
    np.save(buffer, np.array(changes.draw(changed_json(header))))
    loaded(written(tmp_path_factory.mktemp("t"), {**members, "header.npy": buffer.getvalue()}))


@fuzz(80)
@given(changes=st.data())
def test_a_damaged_member_in_a_whole_archive(tmp_path_factory, members, changes):
    name = changes.draw(st.sampled_from(sorted(members)))
    content = changes.draw(damaged(members[name]))
    loaded(written(tmp_path_factory.mktemp("t"), {**members, name: content}))


@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_numpy_does_not_write_is_refused(tmp_path, members, method):
    with zipfile.ZipFile(tmp_path / "ticket.npz", "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr("mask_0002.npy", bytes(40_000_000))
    assert loaded(tmp_path / "ticket.npz") is None


def test_names_in_the_archive_lead_nowhere(tmp_path, members):
    (tmp_path / "in").mkdir()
    array = members["mask_0000.npy"]
    written(tmp_path / "in", {**members, "../../outside.npy": array, "/tmp/outside.npy": array})
    with bounded(16):
        Ticket.load(tmp_path / "in" / "ticket.npz")
    assert [found.name for found in tmp_path.rglob("*")] == ["in", "ticket.npz"]


@fuzz(30)
@given(changes=st.data(), flag=st.sampled_from(["--ticket={}", "--method=random --ratios=ticket:{}"]))
def test_a_damaged_ticket_on_the_command_line(tmp_path_factory, members, changes, flag):
    path = tmp_path_factory.mktemp("t") / "ticket.npz"
    whole = written(path.parent, members).read_bytes()
    path.write_bytes(changes.draw(damaged(whole)))
    read_or_refused(lambda: configure(*flag.format(path).split()), str(path))


@pytest.mark.parametrize(
    "origin", [{}, {"method": 3}, {"method": ["lt"]}, {"method": "dense"}, {"score": "os:system"}]
)
def test_an_origin_is_data(tmp_path, origin):
    path = tmp_path / "ticket.npz"
    Ticket(TICKET.masks, TICKET.names, origin).save(path)
    read_or_refused(lambda: configure(f"--ticket={path}"), str(path))
    read_or_refused(lambda: configure(f"--ticket={path}", "--method=lt", "--sanity_check=invert"), str(path))
    assert configure(f"--ticket={path}", "--method=lt")[0].score is None
