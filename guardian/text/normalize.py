"""Views of untrusted text: the readings a guard must score so that a disguise gains nothing.

The first view is the canonical text. Others follow only where some disguise was found, so ordinary text has one view
and pays for one. Every view maps its character ranges back to the caller's string.

The tricks undone are those of Hackett et al., "Bypassing Prompt Injection and Jailbreak Detection in LLM Guardrails"
(2025), and the common encodings; `guardian.text.tricks` has the attacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guardian.text.canonical import canonicalise, undeleted
from guardian.text.deobfuscate import deobfuscate
from guardian.text.encodings import Passage, find_encoded, find_hidden
from guardian.text.offsets import Edit, Mapped, OffsetMap
from guardian.text.orientation import respelt, upright, visual_order

_SHORTEST_PAYLOAD = 12
"""Characters; a shorter payload says too little on its own."""


@dataclass(frozen=True, slots=True)
class View:
    """One reading of a text.

    `kind` is `canonical`, `undeleted` (what deletion characters would erase), `deobfuscated`, `decoded:` or `payload:`
    with the encodings joined by `+` (the text with payloads in place, and the payloads alone), `reversed`,
    `reversed:words`, `flipped` or `decoded:rot13`.
    """

    kind: str
    text: str
    """What is scored."""
    offsets: OffsetMap | None
    """Maps `text` to the caller's string; None where the two are the same."""

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """The smallest range of the caller's string that covers `text[start:end]`.

        Args:
            start: first character, 0 <= start < end.
            end: one past the last character, at most len(text).

        Raises:
            ValueError: the range is empty or not within the text.
        """
        if not 0 <= start < end <= len(self.text):
            raise ValueError(f"range [{start}, {end}) is empty or outside a view of {len(self.text)} characters")
        return (start, end) if self.offsets is None else self.offsets.span(start, end)


def canonical(text: str) -> View:
    """The canonical view of `text`: NFKC without invisible, control and styling characters.

    Never raises; at most 2 * len(text) + 1024 characters; idempotent up to that bound; ASCII text without control
    characters is itself.
    """
    return _view("canonical", canonicalise(text))


def views(text: str) -> tuple[View, ...]:
    """All readings of `text`: the canonical view, then those that differ from every one before.

    Never raises, near-linear time. No view is longer than 2 * len(text) + 1024 characters.
    """
    found: dict[str, View] = {}
    for kind, mapped in _readings(text):
        if mapped is not None and (mapped.text.strip() or not found):
            found.setdefault(mapped.text, _view(kind, mapped))
    return tuple(found.values())


def _view(kind: str, mapped: Mapped) -> View:
    return View(kind, mapped.text, mapped.offsets)


def _readings(text: str) -> Iterator[tuple[str, Mapped | None]]:
    clean = canonicalise(text)
    yield "canonical", clean
    yield "undeleted", undeleted(text)
    yield "deobfuscated", clean.followed_by(deobfuscate(clean.text))
    yield from _decoded(text, clean)
    ordered = visual_order(text)
    yield "reversed", ordered and ordered.followed_by(canonicalise(ordered.text))
    for kind, reading in respelt(clean.text):
        yield kind, clean.followed_by(reading)
    turned = upright(clean.text)
    yield "flipped", turned and clean.followed_by(turned)


def _decoded(text: str, clean: Mapped) -> Iterator[tuple[str, Mapped]]:
    """The text with all payloads in place and, where other text surrounds them, the payloads alone."""
    hidden = find_hidden(text)
    base = _in_place(Mapped(text), hidden) if hidden else clean
    if hidden:
        base = base.followed_by(canonicalise(base.text))
    visible = find_encoded(base.text)
    if not hidden and not visible:
        return
    passages = _in_source(hidden, visible, base)
    kinds = "+".join(dict.fromkeys(passage.kind for passage in passages))
    whole = _in_place(base, visible)
    yield f"decoded:{kinds}", whole
    length = sum(len(passage.payload) for passage in passages)
    if _SHORTEST_PAYLOAD <= length < 0.7 * len(whole.text):
        yield f"payload:{kinds}", _alone(text, passages)


def _in_place(base: Mapped, passages: list[Passage]) -> Mapped:
    return base.then(Edit(passage.start, passage.end, passage.payload) for passage in passages)


def _in_source(hidden: list[Passage], visible: list[Passage], base: Mapped) -> list[Passage]:
    """All passages with their ranges in the caller's string, in order; where two share a range the first counts."""
    moved = [Passage(*base.span(start, end), payload, kind) for start, end, payload, kind in visible]
    kept: list[Passage] = []
    for passage in sorted([*hidden, *moved], key=lambda p: p.start):
        if not kept or passage.start >= kept[-1].end:
            kept.append(passage)
    return kept


def _alone(text: str, passages: list[Passage]) -> Mapped:
    """The payloads, one a line."""
    edits: list[Edit] = []
    done = 0
    for passage in passages:
        edits.append(Edit(done, passage.start, ""))
        edits.append(Edit(passage.start, passage.end, passage.payload + "\n"))
        done = passage.end
    return Mapped(text).then([*edits, Edit(done, len(text), "")])
