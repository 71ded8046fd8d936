"""Bytes to values and back: what travels in a job, and what comes out of it. Pure."""
