"""The OpenAI wire format: Chat Completions, Responses, Embeddings, and what clones make of it."""
