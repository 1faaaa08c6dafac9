"""What guardian-slm costs: a score, the first token of a reply, tokens a second, a group of streamed tokens; memory.

    python benchmarks/slm_speed.py --weights build/slm/weights [--model slm] [--repeat 50] [--threads 2] [--out DIR]

The int8 graphs stand beside the same weights in torch, fp32, with a cache of their own: same tokens, same threads, same
process, turn by turn. Ratios are medians of one run; the first `WARM` turns are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import LENGTHS, environment, milliseconds, prompt_of
from transformers import DynamicCache

from guardian import Guardian, Piece
from guardian.evaluate.metrics import Estimate
from guardian.evaluate.provenance import machine
from guardian.evaluate.report import part_markdown
from guardian.evaluate.results import Part, PartTable
from guardian.scoring.decoder import Cache
from guardian.scoring.models import find_model
from guardian.scoring.onnx import OnnxBackend
from guardian.train.slm import GuardianSlm
from guardian.verdict import Stage

GROUP = 16
STEPS = 64
WARM = 3


class TorchDecoder:
    """The weights in torch with a cache, as transformers keeps one."""

    def __init__(self, model: GuardianSlm) -> None:
        self.model = model.float().eval()
        self.cache = DynamicCache()

    def clear(self) -> None:
        self.cache = DynamicCache()

    @torch.inference_mode()
    def read(self, ids: Sequence[int], depth: int) -> torch.Tensor:
        """States [1, tokens, width] of the tokens that come next, after `depth` blocks."""
        model, past, count = self.model, self.cache.get_seq_length(), len(ids)
        states = model.embed(torch.tensor([ids]))
        positions = torch.arange(past, past + count).unsqueeze(0)
        rotary = model.model.rotary_emb(states, positions)
        ahead = torch.arange(past + count)[None, :] > positions[0][:, None]
        mask = torch.zeros(ahead.shape).masked_fill(ahead, float("-inf"))[None, None]
        for block in model.model.layers[:depth]:
            states = block(
                states,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=self.cache,
                use_cache=True,
                position_embeddings=rotary,
            )
        return states

    @torch.inference_mode()
    def next(self, ids: Sequence[int]) -> int:
        """Read the tokens; the likeliest one to follow."""
        with self.model.writing():
            states = self.model.model.norm(self.read(ids, self.model.config.num_hidden_layers)[:, -1:])
        return int(self.model.vocabulary(states)[0, -1].argmax())

    @torch.inference_mode()
    def watch(self, ids: Sequence[int]) -> torch.Tensor:
        """Logits [1, tokens, 16] of the token head."""
        return self.model.watch(self.read(ids, self.model.read_layer))

    @torch.inference_mode()
    def score(self, ids: Sequence[int]) -> torch.Tensor:
        """Logits [1, 23], without a cache."""
        return self.model(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64)).logits


class Graphs:
    """The int8 graphs of a model folder, bare: no tokenising around them."""

    def __init__(self, backend: OnnxBackend) -> None:
        self._backend = backend
        self._decoder: Any = backend.decoder
        self.clear()

    def clear(self) -> None:
        self._reply = Cache(self._decoder._reply, limit=1024, stage=Stage.RESPONSE)  # noqa: SLF001
        self._stream = Cache(self._decoder._stream, limit=1024, stage=Stage.RESPONSE)  # noqa: SLF001

    def next(self, ids: Sequence[int]) -> int:
        return int(self._reply.run(ids)[0])

    def watch(self, ids: Sequence[int]) -> Any:
        return self._stream.run(ids)

    def score(self, ids: Sequence[int]) -> Any:
        return self._backend._run([ids])  # noqa: SLF001


Decoders = dict[str, Any]


def turns(calls: dict[str, Callable[[], float]], repeat: int) -> dict[str, list[float]]:
    """Milliseconds of every call, turn by turn."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeat + WARM):
        for name, call in calls.items():
            taken = call()
            if number >= WARM:
                found[name].append(taken)
    return found


def scores(sides: Decoders, backend: OnnxBackend, repeat: int) -> dict[str, dict[str, list[float]]]:
    """Score of one prompt by length, bare, and the whole of `Guardian.check`."""
    guard = Guardian(backend=backend)
    found = {}
    for length in LENGTHS:
        text = prompt_of(backend, length)
        (ids,) = backend.encoder.encode([Piece(text, Stage.PROMPT)])
        calls = {name: (lambda s=side: milliseconds(lambda: s.score(ids))) for name, side in sides.items()}  # noqa: B023
        calls["check"] = lambda: milliseconds(lambda: guard.check(text))  # noqa: B023
        found[f"score of {length} tokens"] = turns(calls, repeat)
    return found


def decoding(sides: Decoders, backend: OnnxBackend, repeat: int) -> dict[str, dict[str, list[float]]]:
    """First token of a reply to a 128-token prompt, each further token, and a group of a stream behind it."""
    prefix = backend.encoder.reply_prefix(Piece(prompt_of(backend, 128), Stage.PROMPT), "crime")
    group = prefix[1 : 1 + GROUP]

    def first(side: Any) -> float:
        side.clear()
        return milliseconds(lambda: side.next(prefix))

    def further(side: Any) -> float:
        side.clear()
        side.next(prefix)
        return milliseconds(lambda: [side.next([token]) for token in (prefix * STEPS)[:STEPS]]) / STEPS

    def streamed(side: Any) -> float:
        side.clear()
        side.watch(prefix)
        return milliseconds(lambda: side.watch(group))

    kinds = {"first reply token": first, "each further reply token": further, f"{GROUP} streamed tokens": streamed}
    return {
        title: turns({name: (lambda s=side, k=kind: k(s)) for name, side in sides.items()}, max(3, repeat // 5))
        for title, kind in kinds.items()
    }


MEMORY = {
    "int8": """
from guardian import Piece
from guardian.scoring.onnx import OnnxBackend
from guardian.verdict import Stage
from pathlib import Path
backend = OnnxBackend(Path(sys.argv[1]), device="cpu", threads=int(sys.argv[3]))
piece = Piece("How do I bake bread?", Stage.PROMPT)
backend.score([piece]); scored = peak_mb()
"".join(backend.decoder.write(piece, subject="crime", max_tokens=32))
""",
    "torch fp32": """
import torch
torch.set_num_threads(int(sys.argv[3]))
from guardian.train.slm import GuardianSlm
model = GuardianSlm.from_pretrained(sys.argv[2]).float().eval()
with torch.inference_mode():
    ids = torch.arange(20, 40)[None]
    model(ids, torch.ones_like(ids)); scored = peak_mb()
    model.vocabulary(model.write(ids))
""",
}


def memory(folder: Path, weights: Path, threads: int) -> dict[str, list[float]]:
    """Peak resident memory of a fresh process after a score, and after a reply as well, in MB."""
    found = {}
    for name, code in MEMORY.items():
        script = (
            f"import sys\nfrom measuring import peak_mb\n{code}\nimport json; print(json.dumps([scored, peak_mb()]))"
        )
        command = [sys.executable, "-c", script, str(folder), str(weights), str(threads)]
        found[name] = json.loads(subprocess.check_output(command, text=True, env=environment()).splitlines()[-1])
    return found


def middle(values: Sequence[float]) -> Estimate:
    """The median, between the 10th and the 90th percentile."""
    low, high = np.percentile(values, [10, 90])
    return Estimate(statistics.median(values), float(low), float(high))


def measure(folder: Path, weights: Path, *, threads: int, repeat: int) -> Part:
    """All of it."""
    torch.set_num_threads(threads)
    backend = OnnxBackend(folder, device="cpu", threads=threads)
    sides: Decoders = {"int8": Graphs(backend), "torch fp32": TorchDecoder(GuardianSlm.from_pretrained(weights))}
    times = scores(sides, backend, repeat) | decoding(sides, backend, repeat)
    rows: list[tuple[str | Estimate, ...]] = []
    for title, found in times.items():
        ratio = statistics.median(found["torch fp32"]) / statistics.median(found["int8"])
        check = middle(found["check"]) if "check" in found else "–"
        rows.append((title, middle(found["int8"]), middle(found["torch fp32"]), f"{ratio:.2f}", check))
    resident = memory(folder, weights, threads)
    held = tuple((name, *(f"{value:.0f}" for value in values)) for name, values in resident.items())
    each = middle(times["each further reply token"]["int8"])
    where = machine()
    about = (
        f"Milliseconds on {threads} threads of {where['processor']} ({where['cores']} cores): the median, between the "
        f"10th and the 90th percentile of {repeat} turns (a fifth of them for replies and streams). torch is the same "
        f"weights in fp32, in the same process, turn by turn. Scores are bare; check is the whole of Guardian.check. "
        f"Replies and streams stand behind a prompt of 128 tokens."
    )
    return Part(
        name="speed",
        title="Speed of guardian-slm",
        about=about,
        figures={
            "score_128": middle(times["score of 128 tokens"]["int8"]),
            "check_128": middle(times["score of 128 tokens"]["check"]),
            "first_token": middle(times["first reply token"]["int8"]),
            "tokens_a_second": Estimate(*(1e3 / v for v in (each.value, each.high, each.low) if v)),
            "stream_group": middle(times[f"{GROUP} streamed tokens"]["int8"]),
            "memory_mb": Estimate(resident["int8"][1]),
        },
        tables=(
            PartTable(columns=("", "int8", "torch fp32", "times as fast", "check"), rows=tuple(rows)),
            PartTable(title="Peak resident memory, MB", columns=("", "after a score", "after a reply"), rows=held),
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="slm", help="name or folder")
    parser.add_argument("--weights", type=Path, required=True, help="the same weights as torch has them")
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--repeat", type=int, default=50)
    parser.add_argument("--out", type=Path, help="folder for speed.json, which slm_report.py picks up")
    given = parser.parse_args()
    part = measure(find_model(given.model), given.weights, threads=given.threads, repeat=given.repeat)
    print(part_markdown(part))
    if given.out:
        part.save(given.out / "speed.json")


if __name__ == "__main__":
    main()
