"""One request, from ASGI scope to last byte."""
