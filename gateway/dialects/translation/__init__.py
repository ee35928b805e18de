"""From one wire format to another, through one canonical model.

A call that is answered by a provider of another dialect is read into `canonical.Request`, written
in the provider's format, and its answer, stream or error comes back the same way. Each format
knows only itself and the canonical model, so that n formats need 2n codecs and no pair has a
translator of its own. OpenAI has two formats here, Chat Completions and Responses.

What cannot be carried is either refused before anything is sent (`Untranslatable`, which names
the caller's field), or left out where an answer is as good without it, and then listed. Which of
the two holds is written down in tables (`requests.FIELDS` of each format for what it alone knows,
`features.Feature` and `Format.carries` for what several know), and `docs/translation.md` shows
them field by field. Signatures and encrypted reasoning never cross: they are bound to the model
that made them.
"""
