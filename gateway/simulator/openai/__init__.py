"""The OpenAI API (provider-facts B1 to B8)."""
