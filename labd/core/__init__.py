"""The pure heart of labd: values and functions without I/O, clock, logging or threads."""
