"""guardrails-ai: one sync `Guard` with one validator, two streams through it in turns."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from inputs import TWO_STREAMS, emit, go_offline, mixed, row

go_offline()
# Its settings are read from the home folder; telemetry is on where the file does not say otherwise.
os.environ["HOME"] = tempfile.mkdtemp(prefix="peers-")
Path(os.environ["HOME"], ".guardrailsrc").write_text("enable_metrics=false\nuse_remote_inferencing=false\n", "utf-8")

from guardrails import Guard, OnFailAction  # noqa: E402
from guardrails.validators import PassResult, ValidationResult, Validator, register_validator  # noqa: E402

_read: list[str] = []


@register_validator(name="ours/listening", data_type="string")
class Listening(Validator):
    """Passes everything, and keeps what it was given."""

    def _validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:  # noqa: ARG002
        _read.append(str(value))
        return PassResult()


guard = Guard().use(Listening(on_fail=OnFailAction.NOOP))


def stream(chunks: tuple[str, ...]) -> Iterator[object]:
    def upstream(*args: object, **kwargs: object) -> Iterator[str]:
        yield from chunks

    asked = [{"role": "user", "content": "Tell me a story."}]
    return iter(guard(upstream, messages=asked, stream=True))


one, other = (stream(chunks) for chunks in TWO_STREAMS)
for _ in zip_longest(one, other):
    pass
both = [text for text in _read if mixed(text)]
emit(
    row(
        "stream_shared",
        f"the validator was given {len(_read)} texts, {len(both)} of them of both streams"
        + (f", such as `{both[0]}`" if both else ""),
        defect=bool(both),
    )
)
