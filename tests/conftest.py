"""What several test modules need."""

import pytest


@pytest.fixture
def no_images_at_hand(monkeypatch, tmp_path):
    """No data set of images on this machine, no network, nothing remembered of another test."""
    from sdclib import image_sets

    for name in ("SDCLIB_CIFAR10", "SDCLIB_FASHION_MNIST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SDCLIB_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(image_sets, "_FASHION_PACKAGE", str(tmp_path / "no package"))
    monkeypatch.setattr(image_sets, "_CIFAR_URL", "http://127.0.0.1:9/cifar-10-python.tar.gz")  # nobody listens there
    monkeypatch.setattr(image_sets, "_FASHION_URL", "http://127.0.0.1:9/")
