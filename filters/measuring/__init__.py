"""Measures texts: the numbers that rules on wording rest on."""
