"""From an event to its job in Redis: the publisher and its parts."""
