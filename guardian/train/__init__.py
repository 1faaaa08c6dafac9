"""Training room: data mixture, model, loop, calibration, export. torch lives here only."""
