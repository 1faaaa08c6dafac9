"""Templates: from a piece of text to the token ids the model reads. Shared by serving and training.

    prompt     [CLS] <|query|> text [SEP]
    document   [CLS] <|task|> task <|doc|> window [SEP]
    response   [CLS] <|query|> prompt digest <|resp|> window [SEP]

A decoder reads its heads at a last token of their own, and is asked for a safeguard reply by another (SLM as Guardian,
arXiv 2405.19795, section 3). With a subject the reply is forced, whatever the text says:

    scores     ... [SEP] <|pred|>
    reply      ... [SEP] <|expl|>
    forced     ... [SEP] <|harm|> subject newline <|expl|>

User text is tokenised with every added token off, so that no text can ever forge a control id (property test), and
words longer than 48 letters are split rather than turned into one unknown token, so that nothing goes unread.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from guardian.errors import ModelError
from guardian.scoring.backend import Piece
from guardian.verdict import Stage

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LONGEST_WORD = 48
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Controls:
    """Ids of the control tokens: rows of the vocabulary that no text can reach."""

    cls: int
    sep: int
    pad: int
    query: int
    task: int
    doc: int
    resp: int
    pred: int | None = None
    expl: int | None = None
    harm: int | None = None

    def all(self) -> frozenset[int]:
        ids = (getattr(self, name) for name in self.__slots__)
        return frozenset(number for number in ids if number is not None)


def guard_tokenizer_json(original: str) -> str:
    """A Hugging Face `tokenizer.json` made safe for untrusted text.

    Added tokens are removed (a literal "[SEP]" in the text is then three ordinary tokens), templates, padding and
    truncation too. Over-long words are split (one would be a single unknown token, and matching it is quadratic), and a
    character that no word piece holds stands alone: an emoji glued to a word would make the whole word unknown.
    """
    spec = json.loads(original)
    spec["added_tokens"] = []
    spec["post_processor"] = None
    spec["truncation"] = None
    spec["padding"] = None
    inside = sorted(token[2:] for token in spec["model"]["vocab"] if token.startswith("##") and len(token) == 3)
    unknown = {
        "type": "Split",
        "pattern": {"Regex": "[^" + "".join(f"\\x{{{ord(char):x}}}" for char in inside) + "]"},
        "behavior": "Isolated",
        "invert": False,
    }
    long_words = {
        "type": "Split",
        "pattern": {"Regex": r".{" + str(LONGEST_WORD) + "}"},
        "behavior": "Isolated",
        "invert": False,
    }
    spec["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [spec["pre_tokenizer"], unknown, long_words]}
    return json.dumps(spec, ensure_ascii=False, separators=(",", ":"))


class Encoder:
    """Tokenises pieces into templates. Thread safe: the tokenizer is not changed after loading."""

    def __init__(self, tokenizer: Tokenizer, controls: Controls, *, window: int, context: int) -> None:
        self._tokenizer = tokenizer
        self.controls = controls
        self.window = window
        self.context = context

    @classmethod
    def load(cls, path: Path, controls: Controls, *, window: int, context: int) -> Encoder:
        """Load `tokenizer.json`; ModelError names the file if it cannot be read."""
        from tokenizers import Tokenizer

        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ModelError(path.name, f"cannot be read: {error.strerror}") from error
        try:
            tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the Rust side raises bare Exception for a malformed file
            raise ModelError(path.name, f"is not a tokenizer: {error}") from error
        return cls(tokenizer, controls, window=window, context=context)

    def to_json(self) -> str:
        """The tokenizer file, vocabulary and all."""
        spec: str = self._tokenizer.to_str()
        return spec

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Character range of every token of the text, in order."""
        return self.located(text)[1]

    def encode(self, pieces: Sequence[Piece]) -> list[list[int]]:
        """Token ids of every piece in its template; a piece longer than the window is the caller's mistake."""
        texts = [_valid(piece.text) for piece in pieces]
        contexts = {
            piece.context: i for i, piece in enumerate(pieces) if piece.context and piece.stage is not Stage.PROMPT
        }
        names = list(contexts)
        encoded = self._tokenizer.encode_batch_fast(
            [*texts, *(_valid(_clip(name)) for name in names)], add_special_tokens=False
        )
        digests = {name: self._digest(e.ids) for name, e in zip(names, encoded[len(texts) :], strict=True)}
        last = [] if self.controls.pred is None else [self.controls.pred]
        return [
            self._template(piece, e.ids, digests.get(piece.context or "", [])) + last
            for piece, e in zip(pieces, encoded, strict=False)
        ]

    def reply_prefix(self, piece: Piece, subject: str | None = None) -> list[int]:
        """Token ids after which a decoder writes the safeguard reply; with a `subject` it has no choice but to."""
        c = self.controls
        if c.expl is None or c.harm is None:
            raise ModelError("controls", "this model writes no replies")
        ids = self.tokens(piece.text)
        context = self._digest(self.tokens(_clip(piece.context))) if piece.context else []
        forced = [] if subject is None else [c.harm, *self.tokens(f"{subject}\n")]
        return [*self._template(piece, ids, context), *forced, c.expl]

    def answer_prefix(self, prompt: str) -> list[int]:
        """Token ids that an answer to `prompt` follows, for who watches it as it comes."""
        return self._opening(Piece("", Stage.RESPONSE), self._digest(self.tokens(_clip(prompt))) if prompt else [])

    def tokens(self, text: str) -> list[int]:
        """Token ids of a plain text."""
        return self.located(text)[0]

    def located(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids of a plain text, and the character range of each; tokens of one character share its range."""
        encoded = self._tokenizer.encode(_valid(text), add_special_tokens=False)
        return encoded.ids, encoded.offsets

    def text(self, ids: Sequence[int]) -> str:
        """The text of token ids, control tokens left out; a character that is not whole yet ends in U+FFFD."""
        reserved = self.controls.all()
        text: str = self._tokenizer.decode([i for i in ids if i not in reserved], skip_special_tokens=False)
        return text

    def _template(self, piece: Piece, ids: list[int], context: list[int]) -> list[int]:
        return [*self._opening(piece, context), *ids, self.controls.sep]

    def _opening(self, piece: Piece, context: list[int]) -> list[int]:
        c = self.controls
        if piece.stage is Stage.RESPONSE:
            return [c.cls, c.query, *context, c.resp]
        if piece.stage in (Stage.DOCUMENT, Stage.TOOL_RESULT):
            return [c.cls, c.task, *context, c.doc]
        return [c.cls, c.query]

    def _digest(self, ids: list[int]) -> list[int]:
        """Head and tail of a context that is too long: what is asked stands at one of the two."""
        if len(ids) <= self.context:
            return ids
        head = self.context * 2 // 3
        return [*ids[:head], *ids[len(ids) - (self.context - head) :]]


def _clip(context: str, limit: int = 4000) -> str:
    """Only head and tail of a context are read, so a huge one is not tokenised whole."""
    return context if len(context) <= limit else f"{context[: limit // 2]} {context[-limit // 2 :]}"


def _valid(text: str) -> str:
    """Lone surrogates cannot cross into the Rust tokenizer: each becomes U+FFFD, one character for one."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
