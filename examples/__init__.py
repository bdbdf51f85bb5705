"""An example day of three shops, and the demo that takes it through the whole pipe."""
