"""YAML and environment to one immutable snapshot; the only reader of the environment."""
