"""Talking on the terminal: commands of a conversation, transcripts, and the line that is typed."""
