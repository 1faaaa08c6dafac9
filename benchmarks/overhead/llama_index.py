"""LlamaIndex: the postprocessor on what retrieval brings, and the model under guard, whole and streamed."""

# ruff: noqa: ARG002  (the signatures are those of the framework)

from __future__ import annotations

from typing import Any

from guardian.adapters.llama_index import GuardedLLM, GuardianNodePostprocessor
from llama_index.core.base.llms.types import CompletionResponse, CompletionResponseGen, LLMMetadata
from llama_index.core.llms import LLM, CustomLLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from overhead.bench import Bench, Row
from overhead.texts import ANSWER, WORDS, new_prompt

NODES = 5


class Scripted(CustomLLM):
    """A model that always says the same."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=ANSWER)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        def words() -> CompletionResponseGen:
            text = ""
            for word in WORDS:
                text += word
                yield CompletionResponse(text=text, delta=word)

        return words()


class Unguarded(BaseNodePostprocessor):
    """What any postprocessor costs."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return nodes


def rows(bench: Bench) -> list[Row]:
    return [_nodes(bench), *_model(bench)]


def _nodes(bench: Bench) -> Row:
    def through(postprocessor: BaseNodePostprocessor) -> object:
        nodes = [NodeWithScore(node=TextNode(text=f"{ANSWER}{new_prompt()}"), score=0.5) for _ in range(NODES)]
        return postprocessor.postprocess_nodes(nodes, QueryBundle(new_prompt()))

    plain, guarded = Unguarded(), GuardianNodePostprocessor(bench.guardian)
    name = f"LlamaIndex, postprocessor, {NODES} nodes"
    return bench.row(name, lambda: through(plain), lambda: through(guarded), (ANSWER,))


def _model(bench: Bench) -> list[Row]:
    plain = Scripted()
    guarded = GuardedLLM(plain, bench.guardian)

    def read(llm: LLM) -> object:
        return list(llm.stream_complete(new_prompt()))

    return [
        bench.row(
            "LlamaIndex, completion", lambda: plain.complete(new_prompt()), lambda: guarded.complete(new_prompt())
        ),
        bench.row(f"LlamaIndex, stream of {len(WORDS)} words", lambda: read(plain), lambda: read(guarded)),
    ]
