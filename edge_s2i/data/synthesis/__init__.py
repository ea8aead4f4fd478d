"""Voices for words that nobody recorded, one module an engine; each runs where its program is."""
