"""The Messages API of Anthropic (provider-facts A1-A3)."""
