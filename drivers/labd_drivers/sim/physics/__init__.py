"""The chip, its lines and its readout: pulses in volts in, records in volts out. NumPy only."""
