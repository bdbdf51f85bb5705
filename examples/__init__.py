"""The events of one day in three shops, and a demo that publishes and persists them."""
