"""stackone-defender: `defend_tool_result` with the classifier that is inside its wheel."""

from __future__ import annotations

from inputs import INJECTION, document, emit, go_offline, row

go_offline()

from stackone_defender import create_prompt_defense  # noqa: E402

defense = create_prompt_defense(block_high_risk=True)


alone = defense.defend_tool_result(INJECTION, "read_file")


def read(experiment: str, length: int, depth: float) -> dict[str, object]:
    clean = defense.defend_tool_result(document(length, depth, ""), "read_file")
    result = defense.defend_tool_result(document(length, depth, INJECTION), "read_file")
    unread = result.tier2_raw_score == clean.tier2_raw_score
    said = "allowed" if result.allowed else "blocked by its patterns" if unread else "blocked"
    return row(
        experiment,
        f"{said}; its model's score is {result.tier2_raw_score:.2f}, without the injection "
        f"{clean.tier2_raw_score:.2f}, alone {alone.tier2_raw_score:.2f}; "
        f"`coverage_degraded={result.coverage_degraded}`",
        defect=result.allowed,
    )


emit(
    read("document_30_50", 30_000, 0.5),
    read("document_100_50", 100_000, 0.5),
    read("document_100_99", 100_000, 0.99),
)
