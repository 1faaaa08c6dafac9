"""The shipped models, one folder each; installed as `guardian.models`. A package so that its data installs: no code.

A folder holds ONNX graphs, `tokenizer.json`, the manifest `guardian.json` and `README.md`, the model card. A wheel
carries the int8 graph; the fp16 graph for GPUs stays in the repository (docs/model.md).
"""

from __future__ import annotations
