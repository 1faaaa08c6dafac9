"""Safeguard replies: what the guard says to the user in place of the model."""
