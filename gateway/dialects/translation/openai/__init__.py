"""Chat Completions and Responses of OpenAI (provider-facts B1-B4): two formats, one set of words."""
