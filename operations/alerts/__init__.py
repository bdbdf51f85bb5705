"""Alerts: what is wrong with a queue is sent to a webhook, once, and once more when it is over."""
