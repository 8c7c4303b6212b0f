import numpy as np
import pytest

from burnish.errors import RewardError
from burnish.recipes.schema import Reward
from burnish.rewards.callables import UserReward
from burnish.rewards.reward import load_rewards
from burnish.types import Prompt

IMAGES = np.full((2, 4, 6, 3), 255, np.uint8)
PROMPTS = [Prompt("a", {"tag": "x", "n": 1}), Prompt("bb", {"tag": "y"})]

SOURCE = """
from dataclasses import dataclass

@dataclass
class Config:
    scale: float = 2.0

def plain(images, prompts):
    assert images[0].size == (6, 4) and images[0].mode == "RGB"
    return [len(p) for p in prompts]

def named(images, prompts, tag, absent=3):
    assert absent == 3
    return [ord(t) for t in tag]

def everything(images, prompts, **columns):
    assert columns == {"tag": ["x", "y"], "n": [1, None]}
    return [0.0, None]

def needy(images, prompts, *, score_of):
    return []

def lonely(images):
    return []

class Judge:
    closed = False
    def __call__(self, images, texts):
        return [Config().scale] * len(images)
    def close(self):
        self.closed = True

judge = Judge()
number = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return str(path)


def score(name: str) -> list[float]:
    return load_rewards([Reward(name=name)]).score(IMAGES, PROMPTS).total_B.tolist()


def complaint(name: str) -> str:
    with pytest.raises(RewardError) as caught:
        score(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_functions_receive_pictures_prompts_and_the_columns_they_name(file):
    assert score(f"{file}:plain") == [1.0, 2.0]
    assert score(f"{file}:named") == [120.0, 121.0]
    total = score(f"{file}:everything")
    assert total[0] == 0.0
    assert np.isnan(total[1])


def test_objects_that_can_be_called_work_and_are_closed(file):
    reward = UserReward(f"{file}:judge")
    assert reward(IMAGES, PROMPTS) == [2.0, 2.0]
    reward.close()
    assert reward.function.closed


def test_modules_on_the_path_work(file, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "some_module_of_rewards.py").write_text(SOURCE)
    assert score("some_module_of_rewards:plain") == [1.0, 2.0]


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("plan", "has no plan; did you mean plain?"),
        ("zzzzzz", "has no zzzzzz; there are dataclass, Config, plain"),
        ("number", "number is a int, not a function f(images, prompts)"),
        ("Judge", "Judge is a type, not a function"),
        ("lonely", "must take two arguments, the images and the prompts"),
        ("needy", "asks for the column 'score_of', but the prompts have tag, n: add the column"),
    ],
)
def test_what_cannot_be_a_reward_is_refused(file, attribute, expected):
    message = complaint(f"{file}:{attribute}")
    assert expected in message
    assert f"reward {file}:{attribute}" in message


def test_what_cannot_be_imported_is_refused(file, tmp_path):
    assert "no file" in complaint(f"{tmp_path}/mien.py:plain")
    assert "did you mean" in complaint(f"{tmp_path}/mien.py:plain")
    assert "no module no_such_package.rewards; install it" in complaint("no_such_package.rewards:f")
    assert "is not of the form FILE.py:NAME" in complaint("mine.py:")
    (tmp_path / "raises.py").write_text("x = 1\nraise SystemExit('bye')\n")
    assert "raised SystemExit: bye (raises.py line 2)" in complaint(f"{tmp_path}/raises.py:f")
    (tmp_path / "needs.py").write_text("import a_module_that_is_missing\n")
    assert "No module named 'a_module_that_is_missing'" in complaint(f"{tmp_path}/needs.py:f")
    (tmp_path / "syntax.py").write_text("def f(:\n")
    assert "raised SyntaxError" in complaint(f"{tmp_path}/syntax.py:f")


TRL = """
def plain(completions, **kwargs):
    return [float(len(kwargs)) for _ in completions]

def columned(prompts, completions, answer, log_extra=None):
    return [float(a) + len(p) + c.width for p, c, a in zip(prompts, completions, answer)]
"""


def test_trl_signatures_are_called_by_keyword(tmp_path) -> None:
    file = tmp_path / "trl_style.py"
    file.write_text(TRL, encoding="utf-8")
    images = [np.zeros((4, 8, 3), np.uint8)] * 2
    prompts = [Prompt("ab", {"answer": 1, "tag": "x"}), Prompt("abc", {"answer": 2, "tag": "y"})]
    assert UserReward(f"{file}:plain")(images, prompts) == [3.0, 3.0]  # prompts, answer, tag
    assert UserReward(f"{file}:columned")(images, prompts) == [1 + 2 + 8, 2 + 3 + 8]
    with pytest.raises(RewardError, match="asks for the column 'answer'"):
        UserReward(f"{file}:columned")(images, [Prompt("a"), Prompt("b")])
