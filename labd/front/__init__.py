"""The front: one TCP port and one unix socket, relayed to the daemon's two private sockets.

A process of its own that needs the standard library alone (`python -I -S labd/front/__main__.py`):
relaying never waits for the daemon's interpreter. It accepts, learns who is there
(labd.front.peer), finds out what is spoken ("PRI" begins HTTP/2, which is gRPC; all else is
HTTP/1.1; over TLS the handshake says it), connects to the private socket and passes bytes on,
through one buffer for all (docs/decisions/0007 says why not by splice). The private sockets are
0600: nobody else can connect to them, therefore the abstract name that the front binds its end to
(labd.front.name) says truly who is behind it.

Through its control socket it tells the daemon which connections have ended. It ends when that
socket ends: at once accepting, within DRAIN_S relaying.
"""
