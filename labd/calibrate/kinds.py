"""The names of what can be calibrated and benchmarked, without importing what does it."""

CALIBRATIONS = ("readout", "frequency", "amplitude", "drag", "t1", "t2", "cz", "all")
BENCHMARKS = ("rb1", "rb2", "readout")
