"""Policies small enough to enumerate, on which the claims about advantages can be checked exactly."""
