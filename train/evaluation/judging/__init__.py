"""Judging by pairs: a judge reads two models' answers to the same question in both orders, and says which is better."""
