"""The HTTP transport to providers."""
