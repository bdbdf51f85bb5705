"""The fuzz test: sends mutated input to every entry point (``make fuzz``)."""
