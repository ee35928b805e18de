"""The Anthropic API (provider-facts part A)."""
