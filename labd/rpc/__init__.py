"""The gRPC services: each method converts, calls the daemon's core, converts back."""
