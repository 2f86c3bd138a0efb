"""The stop contract: rows as trainers read them, and what must hold of each."""
