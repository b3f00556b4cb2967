"""Typed configuration: declared once, read as flags, JSON, search ranges and diffs."""
