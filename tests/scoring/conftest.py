"""A tiny guardian-slm, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.slm_folder import tiny_slm


@pytest.fixture(scope="session")
def slm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny guardian-slm with random weights; tests that open it carry the marker `train`."""
    return tiny_slm(tmp_path_factory.mktemp("models") / "guardian-slm")
