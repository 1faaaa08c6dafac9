"""The speed benchmark measures what it says: the torch side with a cache is the model itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.evaluate.conftest import benchmark
from tests.slm_folder import tiny_model, tiny_slm


@pytest.fixture(scope="module")
def speed() -> ModuleType:
    return benchmark("slm_speed")


@pytest.fixture(scope="module")
def model() -> Any:
    import torch

    model = tiny_model()
    model.adapt_writing(16)
    for name, parameter in model.named_parameters():
        if name.endswith(".up"):
            torch.nn.init.normal_(parameter, std=0.05)
    return model.eval()


def test_torch_with_a_cache_is_torch_without(speed: ModuleType, model: Any) -> None:
    import torch

    ids = list(range(20, 60))
    with torch.inference_mode():
        given = torch.tensor([ids])
        watched, following = model.watch(model.read(given)), model.vocabulary(model.write(given))[0].argmax(-1).tolist()
    decoder = speed.TorchDecoder(model)
    parts = [decoder.watch(ids[:16]), decoder.watch(ids[16:17]), decoder.watch(ids[17:])]
    assert torch.allclose(torch.cat(parts, 1), watched, atol=1e-4)
    decoder.clear()
    assert [decoder.next(ids[:30]), *(decoder.next([token]) for token in ids[30:])] == following[29:]


def test_both_sides_are_the_same_model_and_everything_is_measured(
    speed: ModuleType, model: Any, tmp_path: Path
) -> None:
    folder = tiny_slm(tmp_path / "slm", model=model)
    model.save_pretrained(tmp_path / "weights")
    part = speed.measure(folder, tmp_path / "weights", threads=1, repeat=2)
    assert set(part.figures) == {
        "score_128", "check_128", "first_token", "tokens_a_second", "stream_group", "memory_mb"
    }  # fmt: skip
    for estimate in part.figures.values():
        assert estimate.value is not None
        assert estimate.value > 0
    times, memory = part.tables
    assert [row[0] for row in times.rows] == [
        *(f"score of {n} tokens" for n in (16, 32, 128, 256)),
        "first reply token", "each further reply token", "16 streamed tokens",
    ]  # fmt: skip
    assert [row[0] for row in memory.rows] == ["int8", "torch fp32"]
    assert "on 1 threads" in part.about


def test_the_memory_of_a_fresh_process_is_its_own() -> None:
    """Not that of the process which started it, whatever that holds."""
    measuring = benchmark("measuring")
    held = bytearray(b"x") * 400_000_000
    command = [sys.executable, "-c", "from measuring import peak_mb; print(peak_mb())"]
    found = float(subprocess.check_output(command, text=True, env=measuring.environment()))
    assert 1 < found < len(held) / 1e6 / 2
