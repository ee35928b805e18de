"""Wire formats: sans-IO codecs."""
