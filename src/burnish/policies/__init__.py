"""Policies: what makes a rollout and scores it again."""
