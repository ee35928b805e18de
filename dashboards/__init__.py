"""Grafana dashboards, generated from the metric declarations: `python -m dashboards`."""
