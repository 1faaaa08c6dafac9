"""OpenAI's Python client under guard, through its HTTP client."""

from __future__ import annotations

from typing import TypeVar

from guardian import ConfigError, Guardian, MissingExtra

try:
    from openai import AsyncOpenAI, OpenAI
except ImportError as error:
    raise MissingExtra("openai", "guardian.adapters.openai needs openai: pip install 'slm-guardian[openai]'") from error

from guardian.adapters._exchange import Unknown
from guardian.adapters._wire import OnBlock
from guardian.adapters.http import HOLDBACK, guard_client

Client = TypeVar("Client", OpenAI, AsyncOpenAI)


def guard_openai(
    client: Client,
    guardian: Guardian | None = None,
    *,
    on_block: OnBlock = "reply",
    unknown: Unknown = "pass",
    holdback_chars: int = HOLDBACK,
) -> Client:
    """A client like this one, Azure's included, whose Chat Completions, Completions and Responses are guarded.

        client = guard_openai(OpenAI())

    A blocked prompt or answer comes back as OpenAI says one: a `refusal` with finish_reason `content_filter`
    (Responses: status `incomplete`), and `guardian` beside it with the verdict; or with `on_block="raise"` as
    openai.BadRequestError (within a stream openai.APIError). The other options are those of `GuardedTransport`. Closing
    it closes `client`. Realtime and WebSocket connections do not go through the HTTP client and are not guarded.

    Raises ConfigError where `client` is no client of openai.
    """
    if not isinstance(client, OpenAI | AsyncOpenAI):
        raise ConfigError("client", f"must be a client of openai, not {type(client).__name__}")
    inner = client._client  # noqa: SLF001  (there is no public way to the HTTP client that a client made for itself)
    guarded = guard_client(inner, guardian, on_block=on_block, unknown=unknown, holdback_chars=holdback_chars)
    return client.with_options(http_client=guarded)
