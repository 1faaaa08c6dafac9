"""Nodes of LlamaIndex: what is read of them, and what they look like under a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from guardian.adapters._llama_index_answers import KEY
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from guardian import Action, Verdict


def documents_of(nodes: Sequence[NodeWithScore]) -> list[str]:
    """Text and metadata of every node, in turn."""
    return [
        text
        for node in nodes
        for text in (node.node.get_content(MetadataMode.NONE), node.node.get_metadata_str(MetadataMode.LLM))
    ]


def task_of(query: QueryBundle | None) -> str | None:
    return query.query_str if query is not None else None


def annotated(found: NodeWithScore, verdict: Verdict, of_text: Verdict) -> NodeWithScore:
    """A copy of the node with the verdict, and without what is redacted; the node itself where there is neither."""
    if verdict.would is Action.ALLOW:
        return found
    node = found.node.model_copy()
    node.metadata = {**node.metadata, KEY: verdict.model_dump(mode="json")}
    node.excluded_llm_metadata_keys = [*node.excluded_llm_metadata_keys, KEY]
    node.excluded_embed_metadata_keys = [*node.excluded_embed_metadata_keys, KEY]
    text = node.get_content(MetadataMode.NONE)
    if (redacted := of_text.redact(text)) != text:
        node.set_content(redacted)
    return NodeWithScore(node=node, score=found.score)
