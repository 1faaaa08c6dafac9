"""llamafirewall: `scan` called from within a running event loop, with the scanner that needs no weights."""

from __future__ import annotations

import asyncio

from inputs import INJECTION, emit, go_offline, row

go_offline()

from llamafirewall import LlamaFirewall, Role, ScannerType, UserMessage  # noqa: E402

firewall = LlamaFirewall({Role.USER: [ScannerType.HIDDEN_ASCII]})


async def main() -> dict[str, object]:
    try:
        said = firewall.scan(UserMessage(INJECTION)).decision.value
    except RuntimeError as error:
        await firewall.scan_async(UserMessage(INJECTION))
        did = f"`scan`: {type(error).__name__} ({error}); `scan_async` works"
        return row("in_event_loop", did, defect=True)
    return row("in_event_loop", f"`scan` works: {said}", defect=False)


emit(asyncio.run(main()))
