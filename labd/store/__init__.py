"""The store: jobs, payloads, results and calibration sets. All SQL is in this package."""
