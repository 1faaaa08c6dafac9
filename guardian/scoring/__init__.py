"""Scoring: from pieces of text to calibrated probabilities. The only place that runs a model."""
