"""One completion scored by one reward."""

from burnish.types import Completion, Prompt


def score(reward, text, right=None, **columns):
    """What `text` earns where `right` is the column `answer`."""
    row = columns if right is None else {"answer": right, **columns}
    (found,) = reward([Completion(text)], [Prompt("What is shown?", row)])
    return found


def answered(reward, said, right=None, **columns):
    """What `said` earns between the tags of an answer."""
    return score(reward, f"<think>hm</think><answer>{said}</answer>", right, **columns)
