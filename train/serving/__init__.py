"""Answers over HTTP: an API of OpenAI's style, and a page to talk on."""
