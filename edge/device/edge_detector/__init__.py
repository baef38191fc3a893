"""Keeps a signed object detector running on a camera."""
