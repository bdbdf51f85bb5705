"""Erases the personal data of one customer: in the tables, in Redis, and in a chat's outbox."""
