"""Training room: data mixture, model, loop, calibration, export. torch lives here only."""

from __future__ import annotations

import os

# Export imports onnxruntime, whose official builds send telemetry from the import on unless told not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
