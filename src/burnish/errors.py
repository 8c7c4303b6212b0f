"""One root error: every mistake a user can mend arrives as a `BurnishError` with one clear sentence.

The command line prints the sentence and exits with code 2; a traceback means a bug in burnish.
"""


class BurnishError(Exception):
    """Something the user can mend; `str(error)` says what is wrong, where, and what to do."""


class RecipeError(BurnishError, ValueError):
    """A recipe or a `key.sub=value` override that cannot be run."""


class DataError(BurnishError, ValueError):
    """A prompt file that is missing, broken or empty."""


class ModelError(BurnishError, ValueError):
    """A model folder that is missing, of an unknown class, or does not fit the recipe."""


class RewardError(BurnishError, RuntimeError):
    """A reward that cannot be loaded, or that breaks its contract (wrong length, not numbers)."""


class RunError(BurnishError, RuntimeError):
    """A run folder that exists already, cannot be written, or is not a run."""


class CheckpointError(BurnishError, RuntimeError):
    """A checkpoint that is missing, damaged, or belongs to another recipe."""


class NonFiniteError(BurnishError, ArithmeticError):
    """Too many non-finite losses or gradients; the parameters were not touched by them."""
