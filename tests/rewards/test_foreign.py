"""Rewards in the forms that other libraries publish, loaded from files and scored as they are."""

import asyncio

import numpy as np
import pytest

from burnish.errors import RewardError
from burnish.recipes.schema import Reward
from burnish.rewards.callables import awaited
from burnish.rewards.foreign import recognise
from burnish.rewards.reward import load_rewards
from burnish.types import Completion, Prompt

SAID = [Completion("4", 1), Completion("<answer>9</answer>", 7, truncated=True)]
ASKED = [Prompt("2+2=", {"answer": "4", "level": 1}), Prompt("3*3=", {"answer": "8", "level": 2})]


@pytest.fixture
def score(tmp_path):
    """Scores of the source's function, with NaN as None."""

    def run(source, outputs=SAID, prompts=ASKED, name="f", **options):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / "mine.py").write_text(source, encoding="utf-8")
        rewards = load_rewards([Reward(name=f"{folder}/mine.py:{name}", options=options)])
        total = rewards.score(outputs, prompts).total_B
        rewards.close()
        return [None if np.isnan(value) else value for value in total.tolist()]

    return run


@pytest.fixture
def complaint(score):
    def run(source, *args, **options):
        with pytest.raises(RewardError) as caught:
            score(source, *args, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return run


VERL = """
def f(data_source, solution_str, ground_truth, extra_info=None):
    assert isinstance(data_source, str)
    right = float(solution_str == ground_truth)
    return {"score": right, "acc": right, "pred": solution_str} if extra_info["level"] == 1 else right - 1
"""

MEETING = """
import asyncio
present, everyone = 0, None

async def meet(number):
    global present, everyone
    everyone = everyone or asyncio.Event()
    present += 1
    if present == number:
        everyone.set()
    await asyncio.wait_for(everyone.wait(), 30)
"""


def test_verl_is_called_once_a_completion_with_numbers_or_dictionaries(score):
    assert score(VERL) == [1.0, -1.0]


def test_verl_may_leave_out_and_add_parameters(score):
    source = """
def f(solution_str, ground_truth, method="strict", scale=1.0, **kwargs):
    assert set(kwargs) == {"data_source", "extra_info"} and method == "flexible"
    return None if solution_str == ground_truth else scale
"""
    assert score(source, scale=0.5, method="flexible") == [None, 0.5]


def test_verl_rows_keep_their_source_their_extra_and_their_own_ground_truth(score):
    source = """
def f(data_source, solution_str, ground_truth, extra_info):
    assert data_source == "hiyouga/geometry3k" and extra_info == {"index": 3}
    return len(ground_truth)
"""
    columns = {
        "data_source": "hiyouga/geometry3k",
        "reward_model": {"style": "rule", "ground_truth": "145"},
        "extra_info": {"index": 3},
        "answer": "a worked solution",
    }
    assert score(source, SAID[:1], [Prompt("how far?", columns)]) == [3.0]
    other = {**columns, "short": "14"}
    assert score(source, SAID[:1], [Prompt("how far?", other)], column="short") == [2.0]


def test_verl_in_batches_receives_plural_lists(score):
    source = """
def f(data_sources, solution_strs, ground_truths, extra_infos, **kwargs):
    assert len(data_sources) == len(extra_infos) == 2
    return [{"score": float(s == g)} for s, g in zip(solution_strs, ground_truths)]
"""
    assert score(source) == [1.0, 0.0]


def test_asynchronous_calls_of_verl_wait_for_each_other(score):
    source = f"""{MEETING}
async def f(data_source, solution_str, ground_truth, extra_info=None):
    await meet(8)
    return {{"score": float(solution_str)}}
"""
    said = [Completion(str(i)) for i in range(8)]
    assert score(source, said, [ASKED[0]] * 8) == [float(i) for i in range(8)]


def test_asynchronous_functions_run_inside_a_running_loop(score):
    source = f"""{MEETING}
async def f(solution_str, ground_truth):
    await meet(2)
    return 1.0
"""

    async def inside():
        return score(source)

    assert asyncio.run(inside()) == [1.0, 1.0]


def test_a_client_of_one_call_still_works_in_the_next():
    async def loop():
        return asyncio.get_running_loop()

    first, second = awaited([loop(), loop()])
    assert first is second is awaited([loop()])[0]
    assert not first.is_closed()


@pytest.mark.parametrize("declared", ["", "REWARD_TYPE = 'batch'"])
def test_easyr1_in_batches(score, declared):
    source = f"""
{declared}
def f(reward_inputs, format_weight=0.1):
    assert isinstance(reward_inputs, list)
    assert [r["response_length"] for r in reward_inputs] == [1, 7]
    return [
        {{"overall": (r["response"] == r["ground_truth"]) - format_weight, "score": 5.0, "format": 0.0}}
        for r in reward_inputs
    ]
"""
    assert score(source) == [0.9, -0.1]
    assert score(source, format_weight=0.25) == [0.75, -0.25]


@pytest.mark.parametrize("declared", ["", "REWARD_NAME, REWARD_TYPE = 'r1v', 'sequential'"])
def test_easyr1_one_by_one(score, declared):
    source = f"""
{declared}
def f(reward_input, format_weight=0.5):
    assert isinstance(reward_input, dict) and "level" in reward_input
    right = reward_input["response"].strip() == reward_input["ground_truth"]
    return {{"overall": (1 - format_weight) * right, "accuracy": right}}
"""
    assert score(source) == [0.5, 0.0]


def test_easyr1_modules_say_how_their_function_is_called(score):
    one, many = "REWARD_TYPE = 'sequential'\n", "REWARD_TYPE = 'batch'\n"
    assert score(one + "def f(x):\n return {'overall': x['response_length']}") == [1.0, 7.0]
    assert score(many + "def f(xs):\n return [{'overall': x['response_length']} for x in xs]") == [1.0, 7.0]
    assert score(one + "def f(reward_inputs):\n return {'overall': len(reward_inputs['response'])}") == [
        1,
        18,
    ]
    # a function of another signature in such a module keeps its own
    assert score(one + "def f(completions, **columns):\n return columns['level']") == [1.0, 2.0]
    assert score(one + "def f(outputs, prompts):\n return [len(p) for p in prompts]") == [4.0, 4.0]


@pytest.mark.parametrize(
    "returned", ["reward", "{'rewards': reward, 'scores': 9 * reward, 'extra_logs': {'mean': reward.mean()}}"]
)
def test_openrlhf_returns_tensors(score, returned):
    source = f"""
import torch

def f(queries, prompts, labels, **kwargs):
    assert not kwargs
    said = [query[len(prompt):] for query, prompt in zip(queries, prompts)]
    reward = torch.tensor([float(s == label) for s, label in zip(said, labels)], requires_grad=True)
    return {returned}
"""
    assert score(source) == [1.0, 0.0]


def test_openrlhf_may_be_asynchronous_and_label_anything(score):
    source = """
async def f(queries, prompts, labels):
    return {"rewards": [float(len(label)) for label in labels]}
"""
    prompts = [Prompt("a", {"label": "xy", "size": "abc"}), Prompt("b", {"label": "x", "size": "abcd"})]
    assert score(source, prompts=prompts) == [2.0, 1.0]
    assert score(source, prompts=prompts, column="size") == [3.0, 4.0]


ORM = """
class ORM:
    def __init__(self, args=None, **kwargs):
        self.args = args
    def __call__(self, **kwargs):
        raise NotImplementedError
"""


def test_a_class_of_ms_swift_becomes_one_object(score):
    source = f"""{ORM}
made = 0
class F(ORM):
    def __init__(self, args=None, **kwargs):
        super().__init__(args)
        global made
        made += 1
    def __call__(self, completions, answer, **kwargs):
        assert made == 1 and set(kwargs) == {{"prompts", "level"}}
        return [float(said == right) for said, right in zip(completions, answer)]
"""
    assert score(source, name="F") == [1.0, 0.0]


def test_an_asynchronous_class_of_ms_swift(score):
    source = f"""{MEETING}
class F:
    async def one(self, said):
        await meet(2)
        return float(len(said))
    async def __call__(self, completions, **kwargs):
        return list(await asyncio.gather(*map(self.one, completions)))
"""
    assert score(source, name="F") == [1.0, 18.0]


def test_classes_that_cannot_be_made_say_so(complaint):
    source = """
class F:
    def __init__(self, args=None):
        self.length = args.soft_max_length
    def __call__(self, completions, **kwargs):
        return []
"""
    message = complaint(source, name="F")
    assert "F() raised AttributeError: 'NoneType' object has no attribute 'soft_max_length'" in message
    assert "mine.py line 4" in message
    assert "F is a type, not a function" in complaint(ORM + "class F(ORM): pass", name="F")


def test_trl_synchronous_and_asynchronous(score):
    body = "return [None if n > 1 else float(c == a) for c, a, n in zip(completions, answer, level)]"
    assert score(f"def f(completions, answer, level, **kwargs):\n    {body}") == [1.0, None]
    assert score(f"async def f(prompts, completions, answer, level):\n    {body}") == [1.0, None]


def test_trl_functions_may_log_and_ask_for_a_state(score):
    source = """
def f(completions, trainer_state, log_extra, log_metric=None, **kwargs):
    log_extra("completion", completions)
    log_metric("length", 1.0)
    return [0.0 if trainer_state is None else 1.0 for _ in completions]
"""
    assert score(source) == [0.0, 0.0]


def test_trl_functions_that_need_what_is_not_there_are_refused(score, complaint):
    source = "def f(completions, completion_ids, **kwargs):\n    return [1.0, 2.0]"
    assert "asks for 'completion_ids', which a TRL function does not get here: give the" in complaint(source)
    assert score(source.replace("ids,", "ids=None,")) == [1.0, 2.0]


def test_trl_functions_of_messages_are_told_to_read_texts(complaint):
    source = "def f(completions, **kwargs):\n    return [float(len(c[0]['content'])) for c in completions]"
    message = complaint(source)
    assert "mine.py line 2" in message
    assert (
        "completions and prompts are texts here, not messages: read completion, not completion[0]" in message
    )


def test_other_type_errors_stay_what_they_are(complaint):
    assert "raised TypeError: unsupported" in complaint("def f(completions, **k):\n    return 1 + 'a'")


FORMS = {
    "verl": "def f(data_source, solution_str, ground_truth, extra_info=None):\n    return {'acc': 1.0}",
    "EasyR1": "def f(reward_inputs):\n    return [{'acc': 1.0} for _ in reward_inputs]",
    "OpenRLHF": "def f(queries, prompts, labels):\n    return {'acc': 1.0}",
}


@pytest.mark.parametrize("library", FORMS)
def test_mistakes_are_named(complaint, library):
    source, key = FORMS[library], {"verl": "score", "EasyR1": "overall", "OpenRLHF": "rewards"}[library]
    expected = f"returned a dictionary of acc: a {library} function's score is its entry {key!r}"
    assert expected in complaint(source)
    message = complaint(source, SAID, [ASKED[0], Prompt("no truth", {"level": 1})])
    assert "'no truth' has no column answer or solution or ground_truth or label" in message
    assert "has no column short" in complaint(source, column="short")
    images = np.zeros((2, 4, 4, 3), np.uint8)
    assert f"the signature of {library}, which scores texts, not images" in complaint(source, images)
    extra = source.replace("):", ", *, tokenizer):", 1)
    assert f"asks for 'tokenizer', which a {library} function does not get here" in complaint(extra)


def test_wrong_counts_and_wrong_kinds_are_named(complaint):
    assert "returned 1 scores" in complaint("def f(queries, prompts, labels):\n    return {'rewards': [1.0]}")
    assert "returned 1 scores" in complaint("async def f(completions, **k):\n    return [1.0]")
    assert "returned dict, not a list" not in complaint(FORMS["OpenRLHF"])
    assert "returned 'good'" in complaint("def f(solution_str, ground_truth):\n    return {'score': 'good'}")
    assert "no parameter 'scale'" in complaint("def f(solution_str, ground_truth):\n    return 0", scale=2)


def test_an_exception_in_an_asynchronous_function_names_its_line(complaint):
    source = """
import asyncio
async def f(data_source, solution_str, ground_truth, extra_info=None):
    await asyncio.sleep(0)
    raise ValueError("no such unit")
"""
    assert "raised ValueError: no such unit (mine.py line 5)" in complaint(source)


def test_signatures_are_told_apart():
    def own(images, prompts, ground_truth, labels):
        """Columns may have the names that other libraries use."""

    def trl(prompts, completions, ground_truth, labels):
        """As above."""

    assert recognise(own) is None
    assert recognise(len) is None
    assert recognise(max) is None
    assert recognise(trl).framework == "TRL"


def test_a_function_of_completions_may_score_their_steps(score):
    outputs = [Completion("a. b", steps=("a.", "b")), Completion("c", steps=("c",))]
    for form in ("def f(completions, prompts, steps):", "def f(completions, steps, **kwargs):"):
        source = f"{form}\n    return [[float(len(step)) for step in each] for each in steps]\n"
        assert score(source, outputs) == [1.5, 1.0]


def test_an_asynchronous_exit_is_a_failure_not_a_halt(complaint):
    source = "async def f(completions, prompts):\n    raise SystemExit(3)\n"
    assert "SystemExit(3)" in complaint(source)
