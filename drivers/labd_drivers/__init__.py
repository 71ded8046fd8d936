"""How labd plays programs on instruments, and instruments that are simulated down to the socket."""
