"""The gRPC server: services by name, health and reflection."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from labd.gate import Gate
from labd.rpc.methods import Method

OPTIONS = (
    # Payloads are one message; labd's own limit refuses with a sentence.
    ("grpc.max_receive_message_length", -1),
    # IQM's clients ping every 5 s; by default that ends a quiet stream after 15 s.
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
)
STOP_GRACE_S = 1.0


class RpcServer:
    """The server on a private unix socket."""

    def __init__(self, services: Mapping[str, Mapping[str, Method]], gate: Gate) -> None:
        self._server = grpc.aio.server(options=OPTIONS)
        for service, methods in services.items():
            handlers = {name: method(gate, f"{service}/{name}") for name, method in methods.items()}
            handler = grpc.method_handlers_generic_handler(service, handlers)
            self._server.add_generic_rpc_handlers((handler,))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names = ("", *services)
        shown = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(shown, self._server)

    async def start(self, address: str) -> None:
        """Listen on ``unix:<path>`` and answer. Raises RuntimeError when it cannot be bound."""
        self._server.add_insecure_port(address)
        await self._server.start()
        for name in self._names:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """No new calls; those that run get STOP_GRACE_S. Idempotent."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(STOP_GRACE_S)
