"""Stores of files that URLs lead to."""

import pytest

from tf_tickets.storage.stores import Store, open_store


def test_unknown_kinds_are_an_error_that_says_what_to_install():
    with pytest.raises(ValueError, match=r"nope://x cannot be opened: .*s3fs, gcsfs"):
        open_store("nope://x")


def test_names_at_a_url_do_not_lead_out_of_the_copy(url):
    class FileSystem:
        def invalidate_cache(self):
            pass

        def find(self, root):
            return [f"{root}/{name}" for name in ("a.json", "../b.json", "c/../../d", "e\\..\\f", ".g")]

    assert Store(FileSystem()).names("/store", url) == ["a.json"]
