"""The documentation. ``docs.generate`` generates the files that depend on the code."""
