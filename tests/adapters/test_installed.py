"""In CI no adapter's tests may be skipped for want of its package."""

from __future__ import annotations

import importlib.util
import os

import pytest

# litellm has an environment of its own, where its tests are run (`make litellm`).
PACKAGES = (
    "agents",
    "anthropic",
    "fastapi",
    "httpx",
    "httpx2",
    "langchain",
    "llama_index.core",
    "mcp",
    "openai",
    "opentelemetry.sdk",
    "prometheus_client",
    "pydantic_ai",
)


@pytest.mark.skipif(
    not os.environ.get("GUARDIAN_STRICT"), reason="GUARDIAN_STRICT is not set: what is missing is skipped"
)
@pytest.mark.parametrize("package", PACKAGES)
def test_the_package_of_an_adapter_is_installed(package: str) -> None:
    assert importlib.util.find_spec(package) is not None
