"""`guardian train run`: the training loop, on 2 CPU cores in bf16 or on one GPU, resumable, with a log and curves."""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from guardian.errors import ConfigError
from guardian.scoring.encode import Controls, Encoder
from guardian.train.bases import Classifier, load_start, tokenizer_json
from guardian.train.batches import Encoded, batches, collate, encode_examples
from guardian.train.examples import read_examples
from guardian.train.lora import adapt, merge
from guardian.train.model import LOSS_WEIGHTS, head_slices, total_loss
from guardian.train.slm import WRITES_WITH, GuardianSlm
from guardian.train.teacher import lesson

Part = Literal["all", "read", "write"]
AVERAGE_EVERY = 5  # steps between two updates of the weight average; each costs a pass over all weights


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything a run depends on besides the data; stored beside the weights."""

    epochs: float = 2.0
    batch_tokens: int = 6144
    rate: float = 1.5e-4
    head_rate: float = 6e-4
    warmup: float = 0.05
    weight_decay: float = 0.01
    smoothing: float = 0.03
    average: float = 0.998  # exponential moving average of the weights; the average is what is saved
    window: int = 256
    stride: int = 192
    context: int = 48
    longest: int = 0  # rows of more tokens are left out; 0: none is
    lora: int = 0  # rank of adapters beside frozen weights, which with part="write" stay beside them; 0: none
    lessons: bool = False  # only what a teacher learns from: `guardian.train.teacher.lesson`
    hazard_weight: float = LOSS_WEIGHTS["hazard"]
    part: Part = "all"  # of guardian-slm: "read" detects and leaves replies out, "write" learns replies alone
    seed: int = 13
    save_every: int = 100
    evaluate_every: int = 400


@dataclass(slots=True)
class State:
    """Where a run stands; all that a resume needs."""

    step: int = 0
    seconds: float = 0.0
    tokens: int = 0


def device_of(name: str = "auto") -> torch.device:
    """`auto` takes a GPU where there is one; asking for cuda without one is a ConfigError."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device", "cuda was asked for, but torch sees no GPU")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def train(
    base: Path,
    mix: Path,
    out: Path,
    recipe: Recipe,
    *,
    device: str = "auto",
    progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """Train guardian-mini or guardian-slm on `mix`/train.jsonl from `base`; returns the folder with the weights.

    What `base` may be, `guardian.train.bases` says; the optimiser always starts fresh. Rows without any label are left
    out. Stops cleanly on SIGTERM or Ctrl-C after saving; the same call goes on from `out`/checkpoint.pt.
    """
    out.mkdir(parents=True, exist_ok=True)
    where = device_of(device)
    torch.manual_seed(recipe.seed)
    model = load_start(base)
    _choose(model, recipe, progress)
    encoder = prepare_tokenizer(base, out, model.controls, recipe)
    data = _load(mix / "train.jsonl", encoder, out / "train.cache.pt", progress, recipe.lessons)
    held_out = _load(mix / "calibration.jsonl", encoder, out / "calibration.cache.pt", progress, recipe.lessons)
    if recipe.part != "all":
        data = [item for item in data if bool(item.reply_from) == (recipe.part == "write")]
    if recipe.longest:
        data = [item for item in data if len(item.ids) <= recipe.longest]
        held_out = [item for item in held_out if len(item.ids) <= recipe.longest]
    if not data:
        raise ConfigError("mix", f"{mix} holds no row that this model could learn from")
    held_out = held_out[:4000]
    torch.nn.Module.to(model, where)  # transformers' own `to` is untyped
    run = _Run(model, data, held_out, recipe, out, where, progress, mix=fingerprint(mix / "train.jsonl", encoder))
    run.go()
    run.save_weights(before=_history(base))
    plot_curves(out)
    return out / "weights"


def _choose(model: Classifier, recipe: Recipe, progress: Callable[[str], None]) -> None:
    """Put adapters in where they are asked for, and freeze what is not to be learnt.

    Where a model is only to write, what reads is frozen: what it detects stays the same, to the bit. Adapters are then
    what writing has of its own in those blocks, and stay apart; in other runs they end up in the weights.
    """
    if recipe.part not in get_args(Part):
        raise ConfigError("part", f"must be one of {', '.join(get_args(Part))}")
    if recipe.part != "all" and not isinstance(model, GuardianSlm):
        raise ConfigError("part", "only guardian-slm has parts: guardian-mini writes nothing")
    if isinstance(model, GuardianSlm) and recipe.part == "write":
        if recipe.lora:
            model.adapt_writing(recipe.lora)
        model.freeze_reading()
    elif recipe.lora:
        progress(f"{adapt(model.backbone, recipe.lora)} adapters of rank {recipe.lora}")


def _history(base: Path) -> Mapping[str, Any] | None:
    """What the run that `base` are the weights of says of itself; None where it comes from no run."""
    path = base / "training.json"
    if not path.is_file():
        return None
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def prepare_tokenizer(base: Path, out: Path, controls: Controls, recipe: Recipe) -> Encoder:
    """Write the tokenizer made safe for untrusted text to `out` and load it."""
    path = out / "tokenizer.json"
    path.write_text(tokenizer_json(base), encoding="utf-8")
    return Encoder.load(path, controls, window=recipe.window, context=recipe.context)


def _load(
    path: Path,
    encoder: Encoder,
    cache: Path,
    progress: Callable[[str], None],
    lessons: bool,
) -> list[Encoded]:
    if not path.is_file():
        raise ConfigError("mix", f"{path} is missing: run `guardian train mix` first")
    key = fingerprint(path, encoder) + "/lessons" * lessons
    if cache.is_file():
        cached = torch.load(cache, weights_only=False)  # our own file, written below
        if isinstance(cached, dict) and cached["of"] == key:
            found: list[Encoded] = cached["rows"]
            return found
    progress(f"encoding {path.name}")
    rows = [row for row in read_examples(path) if row.labelled and (not lessons or lesson(row))]
    data = encode_examples(encoder, rows)
    torch.save({"of": key, "rows": data}, cache)
    return data


def fingerprint(path: Path, encoder: Encoder) -> str:
    """What encoded rows are made of: the file of rows, and the tokenizer with its sizes."""
    whole = hashlib.sha256(path.read_bytes())
    whole.update(f"{encoder.window}/{encoder.context}/{encoder.to_json()}".encode())
    return whole.hexdigest()


class _Run:
    """One run: model, optimiser, plan of batches, average, log."""

    def __init__(
        self,
        model: Classifier,
        data: list[Encoded],
        held_out: list[Encoded],
        recipe: Recipe,
        out: Path,
        device: torch.device,
        progress: Callable[[str], None],
        *,
        mix: str,
    ) -> None:
        self.model, self.data, self.held_out = model, data, held_out
        self.recipe, self.out, self.device, self.progress, self.mix = recipe, out, device, progress, mix
        self.plan = self._plan()
        self.optimiser = _optimiser(model, recipe)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)
        self.average = {key: value.detach().clone() for key, value in model.state_dict().items()}
        self.state = State()
        self.stopped = False

    def _plan(self) -> list[list[int]]:
        """Batches of all epochs, from the seed alone, so that a resumed run sees the same order."""
        lengths = [item.length for item in self.data]
        plan: list[list[int]] = []
        for epoch in range(math.ceil(self.recipe.epochs)):
            rng = random.Random(f"{self.recipe.seed}/{epoch}")
            one = batches(lengths, tokens=self.recipe.batch_tokens, rng=rng)
            share = min(1.0, self.recipe.epochs - epoch)
            plan.extend(one[: math.ceil(len(one) * share)])
        return plan

    def _rate(self, step: int) -> float:
        warm = max(1, int(self.recipe.warmup * len(self.plan)))
        if step < warm:
            return (step + 1) / warm
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, len(self.plan) - warm)))

    def go(self) -> None:
        """Train to the end of the plan, or until asked to stop."""
        self._resume()
        handlers = {s: signal.signal(s, self._stop) for s in (signal.SIGTERM, signal.SIGINT)}
        started = time.monotonic() - self.state.seconds
        try:
            while self.state.step < len(self.plan) and not self.stopped:
                parts = self._step(self.plan[self.state.step])
                self.state.seconds = time.monotonic() - started
                self._after(parts)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        self._save()
        if self.stopped:
            raise KeyboardInterrupt

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def _step(self, indices: Sequence[int]) -> dict[str, float]:
        ids, mask, targets = collate([self.data[i] for i in indices], pad=self.model.controls.pad)
        self.model.train()
        on = self.device
        with torch.autocast(on.type, dtype=torch.bfloat16):
            parts = self.model.learn(ids.to(on), mask.to(on), targets.to(on), smoothing=self.recipe.smoothing)
        loss = total_loss(parts, hazard_weight=self.recipe.hazard_weight)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss is {loss.item()} at step {self.state.step}")
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.state.step += 1
        if self.state.step % AVERAGE_EVERY == 0 or self.state.step == len(self.plan):
            self._average()
        self.state.tokens += int(mask.sum())
        return {name: float(part.detach()) for name, part in parts.items()}

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.recipe.average**AVERAGE_EVERY, (1 + self.state.step) / (10 + self.state.step))
        for key, value in self.model.state_dict().items():
            if value.dtype.is_floating_point:
                self.average[key].lerp_(value, 1 - keep)

    def _after(self, parts: dict[str, float]) -> None:
        state, recipe = self.state, self.recipe
        if state.step % 20 == 0 or state.step == len(self.plan):
            rate = state.tokens / max(state.seconds, 1e-9)
            left = state.seconds / state.step * (len(self.plan) - state.step)
            self._log(
                {
                    "step": state.step,
                    "of": len(self.plan),
                    **parts,
                    "tokens_per_s": round(rate),
                    "minutes_left": round(left / 60, 1),
                }
            )
        if state.step % recipe.evaluate_every == 0:
            self._log({"step": state.step, "held_out": self.evaluate()})
        if state.step % recipe.save_every == 0:
            self._save()

    def evaluate(self) -> dict[str, float]:
        """Average precision per head on held-out rows, with the averaged weights."""
        from guardian.train.calibrate import average_precisions

        kept = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        logits = predict(self.model, self.held_out, device=self.device)
        self.model.load_state_dict(kept)
        return average_precisions(logits.double().numpy(), self.held_out)

    def _log(self, row: dict[str, Any]) -> None:
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        self.progress(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}))

    def _save(self) -> None:
        body = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "state": asdict(self.state),
            **_generators(self.device),
            "recipe": asdict(self.recipe),
            "steps": len(self.plan),
            "mix": self.mix,
        }
        partial = self.out / "checkpoint.partial"
        torch.save(body, partial)
        partial.replace(self.out / "checkpoint.pt")  # never a half-written checkpoint

    def _resume(self) -> None:
        path = self.out / "checkpoint.pt"
        if not path.is_file():
            return
        body = torch.load(path, map_location="cpu", weights_only=True)
        if (body["recipe"], body["steps"], body.get("mix")) != (asdict(self.recipe), len(self.plan), self.mix):
            raise ConfigError("out", f"{path} is of another recipe or mix; give a new folder or remove it")
        self.model.load_state_dict(body["model"])
        self.average = {key: value.to(self.device) for key, value in body["average"].items()}
        self.optimiser.load_state_dict(body["optimiser"])
        self.schedule.load_state_dict(body["schedule"])
        self.state = State(**body["state"])
        torch.set_rng_state(body["rng"])
        if self.device.type == "cuda" and "rng_cuda" in body:  # a run may have begun on a CPU
            torch.cuda.set_rng_state(body["rng_cuda"], self.device)
        self.progress(f"going on from step {self.state.step} of {len(self.plan)}")

    def save_weights(self, *, before: Mapping[str, Any] | None) -> None:
        """The averaged weights, the configuration, the recipe and those of the runs `before`, in `out`/weights."""
        folder = self.out / "weights"
        self.model.load_state_dict(self.average)
        merge(self.model.backbone)
        self.model.save_pretrained(folder)
        shutil.copy(self.out / "tokenizer.json", folder / "tokenizer.json")  # so that a run can start from it
        summary = {
            "recipe": asdict(self.recipe),
            "state": asdict(self.state),
            "examples": len(self.data),
            "before": before,
        }
        (folder / "training.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def _generators(device: torch.device) -> dict[str, Tensor]:
    """Where random numbers stand: dropout on a GPU draws from a generator of its own."""
    states = {"rng": torch.get_rng_state()}
    return states | {"rng_cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else states


def _optimiser(model: Classifier, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW; no decay for biases and norms; fresh heads, and what writing adapts, learn faster than the backbone."""
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        old = name.startswith(model.base_model_prefix) and not name.endswith(WRITES_WITH)
        rate = recipe.rate if old else recipe.head_rate
        decay = 0.0 if parameter.ndim < 2 else recipe.weight_decay
        groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()],
        fused=True,
    )


@torch.no_grad()
def predict(
    model: Classifier, data: Sequence[Encoded], *, device: torch.device | None = None, tokens: int = 8192
) -> Tensor:
    """Logits [len(data), 23] in order, float32."""
    where = device or torch.device("cpu")
    model.eval()  # type: ignore[no-untyped-call]
    slices = head_slices()
    out = torch.empty(len(data), max(s.stop for s in slices.values()))
    for batch in batches([len(item.ids) for item in data], tokens=tokens, rng=None):
        ids, mask, _ = collate([data[i] for i in batch], pad=model.controls.pad)
        with torch.autocast(where.type, dtype=torch.bfloat16):
            logits = model(ids.to(where), mask.to(where)).logits
        out[torch.tensor(batch)] = logits[: len(batch)].float().cpu()  # twins stand behind
    return out


def plot_curves(out: Path) -> Path:
    """Draw `out`/curves.png from the log: loss per head, average precision per score on held-out rows."""
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    training = [row for row in rows if "tokens_per_s" in row]
    for head in LOSS_WEIGHTS:
        steps = [r["step"] for r in training if head in r]  # guardian-mini has fewer parts than guardian-slm
        left.plot(steps, [r[head] for r in training if head in r], label=head, linewidth=1)
    left.set(title="Training loss", xlabel="step", yscale="symlog")
    held_out = [row for row in rows if "held_out" in row]
    for score in ("harm", "response_harm", "jailbreak", "injection", "refusal"):
        points = [(r["step"], r["held_out"][score]) for r in held_out if score in r["held_out"]]
        right.plot([x for x, _ in points], [y for _, y in points], label=score, marker="o", markersize=3)
    right.set(title="Average precision, held out", xlabel="step")
    for axes in (left, right):
        axes.legend(fontsize=8)
    path = out / "curves.png"
    figure.savefig(path, dpi=120)
    return path
