"""Hardware in the loop: a report card of a rack, and a pytest plugin for a bench's own tests.

Both run unchanged against the simulated rack and against hardware.
"""
