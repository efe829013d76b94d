"""A machine without a network, on which archives were copied by hand."""

import hashlib

import pytest


@pytest.fixture
def hand_copied(monkeypatch):
    """Puts archives where a user without network puts them, and makes them the expected ones."""
    from tensorflow_datasets.core.download.checksums import UrlInfo
    from tensorflow_datasets.core.units import Size

    def place(builder_class, archives: dict[str, bytes], data_dir):
        manual = data_dir / "downloads" / "manual"
        manual.mkdir(parents=True)
        infos = {}
        for url, data in archives.items():
            name = url.rsplit("/", 1)[1]
            (manual / name).write_bytes(data)
            infos[url] = UrlInfo(Size(len(data)), hashlib.sha256(data).hexdigest(), name)
        monkeypatch.setattr(builder_class, "url_infos", infos)

    return place


@pytest.fixture
def no_network(monkeypatch):
    """No server's name can be looked up, and no proxy is set."""
    import socket

    def unknown(*args, **kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr("urllib.request.getproxies", dict)
