"""Evaluation room: benchmark definitions, metrics with intervals, baselines, and the report.

`run_evaluation` (runner.py) is what `guardian eval` calls; `write_report` (report.py) turns its results into
Markdown and HTML. numpy is imported here; matplotlib and scikit-learn only on use (extra `train`).
"""
