"""Scorers: anything that gives scores to pieces of text, and the ones made from a Guardian.

A scorer's callable takes a list of `Piece` and returns one dict per piece: head -> probability, and where the
scorer makes its own decisions three more kinds of key:
- `flagged`            1.0 when the whole flow did anything but allow the text, for whatever reason (shadow
  mode aside);
- `triggered:<head>`   1.0 when that head was over its threshold;
- `threshold:<head>`   the threshold it was held against. Without them the decision is score >= the scorer's
  threshold for the stage and head, if it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from guardian.errors import ConfigError
from guardian.scoring.backend import Piece
from guardian.verdict import Action, Stage, Verdict

ScoreFunction = Callable[[list[Piece]], list[dict[str, float]]]


class GuardianLike(Protocol):
    """What is used of `guardian.Guardian`."""

    def check_many(self, texts: Sequence[str], *, stage: Stage = ...) -> list[Verdict]: ...

    def check_response(self, prompt: str, response: str) -> Verdict: ...

    def check_document(self, document: str, *, task: str | None = ...) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class Scorer:
    """A named detector. `kind` is guardian (the shipped flow), model (a callable) or baseline.

    `thresholds` maps (stage or None for any, head) to the decision threshold; `threshold` holds for the rest,
    and None means that a head without an entry is scored but never decided upon.
    """

    name: str
    score: ScoreFunction
    kind: str = "model"
    note: str = ""
    thresholds: Mapping[tuple[Stage | None, str], float] = field(default_factory=dict)
    threshold: float | None = 0.5

    def threshold_for(self, stage: Stage, head: str) -> float | None:
        """The decision threshold of a head at a stage, None where it has none."""
        return self.thresholds.get((stage, head), self.thresholds.get((None, head), self.threshold))


def guardian_scorer(guardian: GuardianLike, name: str = "guardian") -> Scorer:
    """The real flow: views, windows, calibrated thresholds and policy, exactly as a user's call runs it."""

    def score(pieces: list[Piece]) -> list[dict[str, float]]:
        verdicts: dict[int, Verdict] = {}
        batched: dict[Stage, list[int]] = {}
        for n, piece in enumerate(pieces):
            if piece.stage is Stage.RESPONSE:
                verdicts[n] = guardian.check_response(piece.context or "", piece.text)
            elif piece.stage is Stage.DOCUMENT and piece.context is not None:
                verdicts[n] = guardian.check_document(piece.text, task=piece.context)
            else:
                batched.setdefault(piece.stage, []).append(n)
        for stage, members in batched.items():
            found = guardian.check_many([pieces[n].text for n in members], stage=stage)
            verdicts |= dict(zip(members, found, strict=True))
        return [flat_scores(verdicts[n]) for n in range(len(pieces))]

    # The policy has no rule for refusals: the head is informative, more likely than not is its decision.
    refusal: dict[tuple[Stage | None, str], float] = {(None, "refusal"): 0.5}
    return Scorer(name, score, "guardian", "The whole flow under its policy.", thresholds=refusal, threshold=None)


def flat_scores(verdict: Verdict) -> dict[str, float]:
    """A verdict as a scorer's dict."""
    out = dict(verdict.scores)
    out["flagged"] = float(verdict.would > Action.ALLOW)
    for finding in verdict.findings:
        out[f"triggered:{finding.name}"] = float(finding.triggered)
        out[f"threshold:{finding.name}"] = finding.threshold
    return out


def scorer_of(spec: str) -> Scorer:
    """`[name=]target` as a scorer: a model folder (a Guardian is opened on it), or `package.module:factory`.

    The factory takes nothing and returns a `Scorer` or a callable from pieces to score dicts: that is how a
    torch checkpoint or another library's guard is compared. ConfigError when the target is neither.
    """
    name, _, target = spec.rpartition("=")
    path = Path(target)
    if path.is_dir():
        from guardian.guard import Guardian

        return guardian_scorer(Guardian(path), name or path.name)
    module, colon, attribute = target.partition(":")
    if not colon:
        raise ConfigError("compare", f"{target!r} is neither a model folder nor 'package.module:factory'")
    return _from_factory(name or attribute, module, attribute)


def _from_factory(name: str, module: str, attribute: str) -> Scorer:
    from importlib import import_module

    try:
        made = getattr(import_module(module), attribute)()
    except (ImportError, AttributeError) as error:
        raise ConfigError("compare", f"{module}:{attribute} cannot be used: {error}") from error
    return made if isinstance(made, Scorer) else Scorer(name, made)
