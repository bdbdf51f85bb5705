"""Takes events off the queue and persists them; everything that runs outside the chat process."""
