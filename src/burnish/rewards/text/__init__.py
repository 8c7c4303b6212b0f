"""Rewards of completions: each maker returns `f(completions, prompts) -> list[float | None]`.

The right answer is a column of the prompt (option `column`; else the first of `ANSWERS` that is there).
"""
