"""The commands: labd, labctl and what they print."""
