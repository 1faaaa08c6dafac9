"""The words and the look of the report."""

from __future__ import annotations

from collections.abc import Mapping

from guardian.evaluate.benchmarks import Measure

GUIDE: tuple[str, ...] = tuple(
    " ".join(paragraph.split())
    for paragraph in """
Every figure at a threshold uses the model's one default threshold, fixed on our own validation data before any
benchmark was looked at. The threshold-free figures (AUPRC, recall at 1 % FPR, FPR at 95 % recall) say what a threshold
chosen on the benchmark itself could have given: they compare models, they are not what a user gets.

Where a benchmark holds benign rows only, a row counts as flagged when anything at all in the flow flagged it, harm or
attack. Elsewhere the decision of the one head that the benchmark is about counts. Each is the harder reading for the
model.

Brackets are 95 % intervals: Wilson's for plain rates (recall, precision, share flagged), a percentile bootstrap over
rows for the others. On most of these sets two or three points are noise.

An en dash is a figure that does not exist, such as precision on a set without benign rows; the reason stands below
the table. AUPRC depends on the share of positives, which is the grey line in the precision-recall plots.

Three baselines stand beside the model: a constant that flags everything, a list of keywords, and logistic regression
on word and character TF-IDF, trained on the same rows as the model (where those were at hand). A set on which the
baselines do as well does not tell much.
""".strip().split("\n\n")
)

OVERVIEW = (
    "Recall and false positives at the default threshold, with 95 % intervals. "
    "Circles belong on the right, squares on the left."
)
HISTOGRAMS = (
    "Scores of positive and benign rows; the dashed line is the default threshold "
    "(the median, where it depends on length)."
)
PRECISION_RECALL = (
    "Precision against recall; dotted lines are baselines. "
    "The grey line is the share of positives: what guessing gives."
)
RELIABILITY = (
    "Of the rows with a given score, how many are positive. "
    "On the diagonal a score is a probability; dots grow with rows."
)
LONG = (
    "An injected sentence, or a harmful passage of about 150 words, is put between two sentences of long benign "
    "documents, at the threshold for 1 % false positives on documents. "
    "Benign stretches of the same size in the same places are the control."
)
DEPTH = (
    "Recall by depth and by length, with 95 % intervals; "
    "dotted: neutral insertions flagged, which should stay near the budget."
)
TRICKS = (
    "Each trick rewrites the characters of a text and leaves it readable. Lost is recall before minus after on the "
    "same rows, with a paired interval. The benign columns show whether recall was kept by flagging everything odd."
)
TRICKS_PLOT = "Recall lost to each trick, with 95 % intervals; to the left of zero is a gain."
AGREEMENT = (
    "Other graphs of the same model, or other models, on the same rows as the one under test: share of equal "
    "decisions, difference of the scores, and the difference of recall at 1 % FPR with a paired interval."
)

_RANKED = {
    "auprc": "AUPRC",
    "recall_at_fpr_0.01": "recall at 1 % FPR",
    "fpr_at_recall_0.95": "FPR at 95 % recall",
    "ece": "ECE",
}
_DECIDED = {"f1": "F1", "precision": "precision", "recall": "recall", "fpr": "benign flagged"}
_BENIGN = {"accuracy": "accuracy", "block_rate": "flagged", "head_block_rate": "flagged by the head alone"}

SECTIONS: Mapping[Measure, tuple[str, str, Mapping[str, str]]] = {
    Measure.HARM: (
        "Harmful prompts",
        (
            "Is what the user asks for harmful? Sets without benign rows reward a model that flags everything: "
            "read them together with over-refusal below."
        ),
        {
            **_DECIDED,
            **_RANKED,
            "flow_recall": "recall, whole flow",
            "category_macro_f1": "category macro-F1",
        },
    ),
    Measure.OVER_REFUSAL: (
        "Over-refusal",
        "Safe requests that look unsafe. Whatever is flagged here is a user turned away for nothing.",
        _BENIGN,
    ),
    Measure.ATTACK: (
        "Attacks",
        "Jailbreaks and injections: not what is asked for, but an attempt to get round the rules.",
        {**_DECIDED, **_RANKED},
    ),
    Measure.OVER_DEFENCE: (
        "Over-defence",
        "Benign text full of the words that attacks use.",
        _BENIGN,
    ),
    Measure.RESPONSE_HARM: (
        "Harmful answers",
        "Is the model's answer harmful, given what it was asked?",
        {
            **_DECIDED,
            **_RANKED,
            "recall_at_fpr_0.02": "recall at 2 % FPR",
            "category_macro_f1": "category macro-F1",
            "hazard_ece": "ECE of hazards",
        },
    ),
    Measure.REFUSAL: (
        "Refusals",
        "Did the model decline?",
        {**_DECIDED, **_RANKED},
    ),
}

STYLE = """
:root { --ink: #20242b; --soft: #5b6270; --line: #e3e6ea; --tint: #f6f7f9; --held: #0b6e4f;
  --short: #b3400a; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 2.5rem 1.5rem 5rem; color: var(--ink); background: #fff;
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.4rem; margin: 3.2rem 0 .8rem; padding-top: 1.2rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2rem 0 .3rem; }
p { max-width: 46rem; margin: .5rem 0; }
.made { color: var(--soft); }
nav ul { list-style: none; padding: 0; margin: 1.2rem 0 0; display: flex;
  flex-wrap: wrap; gap: .2rem 1.2rem; }
a { color: #0b5cad; text-decoration: none; } a:hover { text-decoration: underline; }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem .35rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); white-space: nowrap; }
.n { text-align: right; white-space: nowrap; padding-left: .9rem; padding-right: 0; }
td small { color: var(--soft); font-size: .82em; }
tr.main td { font-weight: 600; background: var(--tint); } tr.main small { font-weight: 400; }
tr.held td:last-child { color: var(--held); font-weight: 600; }
tr.short td:last-child { color: var(--short); font-weight: 600; }
tr.short td:first-child { box-shadow: inset 3px 0 var(--short); padding-left: .7rem; }
tr.held td:first-child { box-shadow: inset 3px 0 var(--held); padding-left: .7rem; }
tr.unknown td:first-child { box-shadow: inset 3px 0 var(--line); padding-left: .7rem; }
tr.unknown td:last-child { color: var(--soft); white-space: normal; }
figure { margin: 1.4rem 0; } img { max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .9rem; max-width: 46rem; }
summary { cursor: pointer; color: #0b5cad; font-size: .92rem; margin: .5rem 0; }
@media print { body { max-width: none; padding: 0; } nav { display: none; } }
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p class="made">{made}</p>
<nav><ul>{contents}</ul></nav>
{body}
</body>
</html>
"""
