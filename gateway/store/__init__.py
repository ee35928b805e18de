"""Redis or Valkey: admission, keys, topology overrides."""
