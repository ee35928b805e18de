"""generateContent and streamGenerateContent of Gemini (provider-facts B9-B11)."""
