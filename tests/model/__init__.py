"""A model that explores the life of an event: the worker's real code, one step at a time (``make model``)."""
