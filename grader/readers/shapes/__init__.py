"""Shapes of chat messages, a module per vendor: which messages fit it, and the parts that one has."""
