"""The simulated rack: instruments on sockets, wired to a chip with physics."""
