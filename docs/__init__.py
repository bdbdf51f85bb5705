"""The documents; ``docs.generate`` writes those that follow from the code."""
