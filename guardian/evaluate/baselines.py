"""Baselines that stand beside every figure: a keyword list, TF-IDF logistic regression, and a constant.

A guard that does not beat these has learnt nothing worth its weights: published confound-controlled suites
put plain n-gram models at .81 to .90 balanced accuracy on injection. Each is a `Scorer` like any other.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from guardian.errors import ConfigError, MissingExtra
from guardian.evaluate.benchmarks import read_jsonl
from guardian.evaluate.scorers import Scorer
from guardian.scoring.backend import Piece
from guardian.verdict import Stage


def _words(text: str) -> tuple[str, ...]:
    return tuple(" ".join(text.split()).split(", "))


HARM_WORDS = _words("""
    kill, murder, bomb, explosive, grenade, assassinate, poison, torture, behead, massacre, terrorist,
    shoot, stab, strangle, kidnap, hostage, arson, weapon, firearm, silencer, ammunition, nerve agent,
    sarin, anthrax, ricin, molotov, napalm, steal, shoplift, burglar, launder, counterfeit, forge, fraud,
    scam, phishing, bribe, blackmail, extort, smuggle, traffick, cocaine, heroin, fentanyl, meth,
    methamphetamine, malware, ransomware, keylogger, botnet, ddos, exploit, hack, rootkit, trojan,
    suicide, self-harm, cut myself, overdose, anorexi, rape, molest, pedophil, child porn, incest, porn,
    nude, sexual, racist, nazi, slur, genocide, inferior race, stalk, dox, social security number, credit
    card number, spy on, fake news, disinformation, conspiracy, pirate, plagiari, cheat, illegal, harass,
    bully, revenge, hate
""")
ATTACK_WORDS = _words("""
    ignore previous, ignore all previous, ignore the above, ignore your, disregard, forget everything,
    forget your instructions, system prompt, your instructions, initial prompt, new instructions,
    developer mode, do anything now, dan, jailbreak, pretend you are, you are now, act as if, without
    restrictions, no restrictions, unfiltered, bypass, override, reveal the, secret, password, hidden
    instructions, admin, sudo, in your response, modify your, your answer, your reply
""")


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    """Any of the words, at the start of a word; word endings are free, so 'kill' also finds 'killing'."""
    return re.compile("|".join(rf"(?<!\w){re.escape(word)}" for word in words), re.IGNORECASE)


_HARM, _ATTACK = _pattern(HARM_WORDS), _pattern(ATTACK_WORDS)


def keywords() -> Scorer:
    """Score 1 - 2^-(different keywords found); flagged from the first one on (threshold 0.5)."""

    def score(pieces: list[Piece]) -> list[dict[str, float]]:
        return [{"harm": _hits(_HARM, p.text), **dict.fromkeys(_ATTACKS, _hits(_ATTACK, p.text))} for p in pieces]

    return Scorer(
        "keywords",
        score,
        kind="baseline",
        note=f"{len(HARM_WORDS)} + {len(ATTACK_WORDS)} keywords, any one flags.",
    )


_ATTACKS = ("jailbreak", "injection")


def _hits(pattern: re.Pattern[str], text: str) -> float:
    found = len({match.group().lower() for match in pattern.finditer(text)})
    return 1.0 - 0.5**found


def constant(value: float = 1.0) -> Scorer:
    """The same score for every text: what a figure is worth to a detector that does not look. 1.0 flags
    everything.
    """
    if not 0.0 <= value <= 1.0:
        raise ConfigError("baselines.constant", f"{value} is not a probability")

    def score(pieces: list[Piece]) -> list[dict[str, float]]:
        return [dict.fromkeys(("harm", "refusal", *_ATTACKS), value) for _ in pieces]

    return Scorer("constant", score, kind="baseline", note="Flags everything." if value >= 0.5 else "Flags nothing.")


class _Model(Protocol):
    """The part of a scikit-learn pipeline that is used."""

    def predict_proba(self, texts: Sequence[str]) -> Any: ...


def tfidf(train: Path, *, fpr: float = 0.02, limit: int | None = None, seed: int = 0) -> Scorer:
    """Word and character TF-IDF with logistic regression, one model per head, trained on the same rows as our
    models.

    `train` holds rows `{text, harm: 0|1|null, injection: 0|1|null, stage}` or those of `guardian train mix`
    (`severity`,
    `jailbreak`, `response_severity`). One benign row in ten is kept back to set each threshold at `fpr`, so
    that the baseline is compared at the same budget as the model. Raises ConfigError for a missing or
    unlabelled file, MissingExtra without scikit-learn.
    """
    rows = _training_rows(train, limit)
    models: dict[str, _Model] = {}
    thresholds: dict[tuple[Stage | None, str], float] = {}
    for head in ("harm", "response", "jailbreak", "injection"):
        labelled = [(text, label) for text, labels in rows if (label := labels.get(head)) is not None]
        if len({label for _, label in labelled}) < 2:
            continue
        fit = [(t, y) for t, y in labelled if y or _fold(t) != 0]
        models[head] = model = _fit([t for t, _ in fit], [y for _, y in fit], seed)
        spare = [t for t, y in labelled if not y and _fold(t) == 0]
        key = (Stage.RESPONSE, "harm") if head == "response" else (None, head)
        if spare:
            thresholds[key] = float(np.quantile(model.predict_proba(spare)[:, 1], 1.0 - fpr, method="higher"))
    if not models:
        raise ConfigError(str(train), "no head has both positive and negative rows here")
    note = f"Trained on {len(rows):,} rows of {train.name}; flags {fpr:.0%} of benign rows it did not see."
    return Scorer("tfidf", _tfidf_score(models), kind="baseline", note=note, thresholds=thresholds)


def _tfidf_score(models: Mapping[str, _Model]) -> Callable[[list[Piece]], list[dict[str, float]]]:
    def score(pieces: list[Piece]) -> list[dict[str, float]]:
        out: list[dict[str, float]] = [{} for _ in pieces]
        for head, model in models.items():
            wanted = [
                n
                for n, piece in enumerate(pieces)
                if head not in ("harm", "response") or _harm_head(piece, models) == head
            ]
            if wanted:
                for n, p in zip(wanted, model.predict_proba([pieces[n].text for n in wanted])[:, 1], strict=True):
                    out[n]["harm" if head == "response" else head] = float(p)
        return out

    return score


def _harm_head(piece: Piece, models: Mapping[str, _Model]) -> str:
    return "response" if piece.stage is Stage.RESPONSE and "response" in models else "harm"


def _fold(text: str) -> int:
    return zlib.crc32(text.encode()) % 10


def _training_rows(train: Path, limit: int | None) -> list[tuple[str, dict[str, int]]]:
    if not train.is_file():
        raise ConfigError(
            "train", f"{train} does not exist: the TF-IDF baseline is trained on the mix (guardian train mix)"
        )
    rows = []
    for raw in read_jsonl(train):
        if not isinstance(raw.get("text"), str):
            raise ConfigError(str(train), "a row has no string field 'text'")
        severity = {0: 0, 2: 1}
        labels = {
            "harm": raw["harm"] if "harm" in raw else severity.get(raw.get("severity", -1)),
            "response": severity.get(raw.get("response_severity", -1)),
            "jailbreak": raw.get("jailbreak"),
            "injection": raw.get("injection"),
        }
        rows.append((raw["text"], {head: int(value) for head, value in labels.items() if value is not None}))
        if limit is not None and len(rows) >= limit:
            break
    return rows


def _fit(texts: Sequence[str], labels: Sequence[int], seed: int) -> _Model:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline, make_union
    except ImportError as error:
        raise MissingExtra(
            "train", "the TF-IDF baseline needs scikit-learn: pip install 'slm-guardian[train]'"
        ) from error
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=200_000, sublinear_tf=True)
    characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), min_df=3, max_features=200_000, sublinear_tf=True
    )
    regression = LogisticRegression(C=4.0, max_iter=300, class_weight="balanced", random_state=seed)
    model: _Model = make_pipeline(make_union(words, characters), regression).fit(list(texts), list(labels))
    return model
