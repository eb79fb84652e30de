"""Experiments, which join genrl's own."""
