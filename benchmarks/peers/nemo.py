"""nemoguardrails: output rails over a stream, through `LLMRails.stream_async(generator=...)`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from inputs import FORBIDDEN, chunks, emit, go_offline, row

go_offline()

from nemoguardrails import LLMRails, RailsConfig  # noqa: E402
from nemoguardrails.actions.rail_outcome import RailDecision, RailOutcome  # noqa: E402

COLANG = """
define flow word check
  $allowed = execute word_check
  if not $allowed
    bot refuse to respond
    stop
"""
CONFIG = """
rails:
  output:
    flows: [word check]
    streaming:
      enabled: True
"""


async def stream(answer: list[str], **streaming: int | bool) -> tuple[str, list[str], list[int]]:
    """What was sent, the chunks that came of the answer, and the length of each text a rail was given."""
    read: list[int] = []

    async def word_check(context: dict[str, str] | None = None, **_: object) -> RailOutcome:
        text = (context or {})["bot_message"]
        read.append(len(text))
        return RailOutcome(RailDecision.BLOCK if FORBIDDEN in text else RailDecision.ALLOW)

    async def upstream() -> AsyncIterator[str]:
        for chunk in answer:
            yield chunk

    options = "".join(f"      {name}: {value}\n" for name, value in streaming.items())
    rails = LLMRails(RailsConfig.from_content(colang_content=COLANG, yaml_content=CONFIG + options))
    rails.register_action(word_check, "word_check")
    sent = [chunk async for chunk in rails.stream_async(generator=upstream())]
    return "".join(sent), sent, read


async def before_block(experiment: str, count: int) -> dict[str, object]:
    text, sent, _ = await stream(chunks(count, forbidden_at=5))
    blocked = any('"error"' in chunk for chunk in sent)
    delivered = sum('"error"' not in chunk for chunk in sent)
    leaked = FORBIDDEN in text
    said = "blocked" if blocked else "not blocked"
    return row(
        experiment,
        f"delivered {delivered} chunks, the word {'among them' if leaked else 'not'}, then {said}",
        defect=leaked,
    )


async def rescans(experiment: str, count: int) -> dict[str, object]:
    answer = chunks(count)
    total = sum(map(len, answer))
    _, _, read = await stream(answer)
    _, _, bare = await stream(answer, chunk_size=20, context_size=0)
    return row(
        experiment,
        f"default (chunk 200, context 50): {len(read)} rail calls, {sum(read) / total:.1f} characters read per "
        f"character; `chunk_size: 20, context_size: 0`: {len(bare)} rail calls, {sum(bare) / total:.1f} per character",
        defect=sum(bare) > 3 * total,
    )


async def main() -> None:
    emit(
        await before_block("stream_before_block", 400),
        await before_block("stream_before_block_short", 80),
        await rescans("stream_rescans", 400),
        await rescans("stream_rescans_5", 2000),
    )


if __name__ == "__main__":
    asyncio.run(main())
