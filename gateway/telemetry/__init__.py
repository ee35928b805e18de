"""Prometheus and the access log: the only folder that knows them."""
