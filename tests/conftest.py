"""What every test gets: no network, hypothesis without a clock, and markers that know what is installed."""

from __future__ import annotations

import importlib.util
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from guardian.scoring.backend import Piece, Scores

REPO = Path(__file__).resolve().parent.parent
MODEL = REPO / "models" / "guardian-mini"
SLM = REPO / "models" / "guardian-slm"
WHEELS = REPO / ".wheels"

# Loaded machines are slow, not wrong.
settings.register_profile("guardian", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("guardian")


def _installed(*names: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in names)


# Marker -> whether what it needs is there, and how to get it.
_NEEDS: dict[str, tuple[Callable[[], bool], str]] = {
    "model": (
        lambda: (MODEL / "guardian.json").is_file() and _installed("onnxruntime"),
        "needs models/guardian-mini and the extra cpu",
    ),
    "slm": (
        lambda: (SLM / "guardian.json").is_file() and _installed("onnxruntime"),
        "needs models/guardian-slm and the extra cpu",
    ),
    "packaging": (lambda: (WHEELS / ".filled").is_file(), "needs the wheels that `make wheels` fetches"),
    "train": (lambda: _installed("torch", "transformers", "optimum"), "needs the extra train"),
}


class Gate:
    """A script that holds every call up until it is opened: no test needs to race a clock."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, _: Piece) -> Scores:
        self.entered.set()
        assert self.open.wait(60)
        return {}


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here. Where GUARDIAN_STRICT is set, as in CI, that is a failure instead."""
    for name, (available, reason) in _NEEDS.items():
        if item.get_closest_marker(name) is not None and not available():
            if os.environ.get("GUARDIAN_STRICT"):
                pytest.fail(reason)
            pytest.skip(reason)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anywhere but this machine is an error, whatever opened it."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != getattr(socket, "AF_UNIX", None) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to connect to {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the repository."""
    return REPO


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """The folder of the shipped model; tests that open it carry the marker `model`."""
    return MODEL
