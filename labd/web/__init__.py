"""The HTTP side: what IQM's clients ask on the same port before they speak gRPC."""
