"""Connections to PostgreSQL: opening them, running statements on them, and translating their errors."""
