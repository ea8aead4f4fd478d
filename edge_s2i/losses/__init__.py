"""Training objectives, one module a subject."""
