"""The Gemini API (provider-facts B9 to B13)."""
