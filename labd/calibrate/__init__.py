"""Calibration and benchmarks of a quantum computer, run on its rack as ordinary jobs.

An experiment builds pulse jobs (`stage`, `bench`), and a pure function judges what came back and
proposes observations (`readout`, `frequency`, `amplitude`, `drag`, `relaxation`, `cz`). A recipe
orders experiments, repeats what did not converge and says where it had to stop. Nothing here knows
more of the chip than its design record, its calibration set and the results of jobs.
"""
