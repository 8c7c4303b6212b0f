import pytest

from burnish.data.prompts import load_prompts
from burnish.errors import DataError
from burnish.types import Prompt


@pytest.fixture
def file(tmp_path):
    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return str(path)

    return write


def complaint(source: str, column: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        load_prompts(source, column)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_text_files_hold_one_prompt_a_line(file):
    source = file("a.txt", '\ufeffa red star\r\n\r\n  two, "squares" \u2028 here \r\nend')
    assert [p.text for p in load_prompts(source)] == ["a red star", 'two, "squares" \u2028 here', "end"]
    assert [p.text for p in load_prompts(source, limit=2)] == ["a red star", 'two, "squares" \u2028 here']


def test_tables_keep_their_other_columns_as_text(file):
    source = file("a.csv", 'index,prompt_en,extra\r\n0,"a, b","{""k"": [1]}"\r\n\r\n1,"two\nlines",x\r\n')
    assert load_prompts(source) == [
        Prompt("a, b", {"index": "0", "extra": '{"k": [1]}'}),
        Prompt("two\nlines", {"index": "1", "extra": "x"}),
    ]
    assert load_prompts(file("a.tsv", "caption\tn\na, b\t1\n")) == [Prompt("a, b", {"n": "1"})]


def test_json_lines_keep_their_other_keys_as_values(file):
    source = file(
        "a.jsonl", '{"tag": "x", "include": [{"class": "bench"}], "prompt": "a bench"}\n\n{"prompt": "é"}'
    )
    assert load_prompts(source) == [
        Prompt("a bench", {"tag": "x", "include": [{"class": "bench"}]}),
        Prompt("é"),
    ]


def test_the_prompt_column_is_found_in_order_or_named(file):
    source = file("a.csv", "caption,text,other\nc,t,o\n")
    assert load_prompts(source)[0].text == "t"
    assert load_prompts(source, "other")[0] == Prompt("o", {"caption": "c", "text": "t"})
    assert "has no column 'othr'; did you mean other?" in complaint(source, "othr")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "", "a.txt holds no prompts"),
        ("a.txt", " \n\r\n\t", "a.txt holds no prompts"),
        ("a.csv", "prompt\n", "a.csv holds no prompts"),
        ("a.txt", b"fine\n\xff\n", "a.txt line 2 is not UTF-8"),
        ("a.txt", b"fine\n\nx\0y", "a.txt line 3 contains a NUL byte"),
        ("a.txt", "fine".encode("utf-16"), "NUL byte"),
        (
            "a.jsonl",
            '{"prompt": "a"}\n{"prompt": }',
            "a.jsonl line 2 is not valid JSON: Expecting value at column 12",
        ),
        ("a.jsonl", '"a"', "a.jsonl line 1 is not a JSON object"),
        ("a.jsonl", "[" * 200_000, "a.jsonl line 1 is not valid JSON"),
        ("a.jsonl", '{"prompt": 3}', "line 1: the prompt (column prompt) is 3, not text"),
        ("a.jsonl", '{"prompt": null}', "the prompt (column prompt) is empty"),
        ("a.jsonl", '{"prompt": "a"}\n{"text": "b"}', "line 2 has no column 'prompt'; there are text"),
        ("a.csv", "a,b\n1,2\n", "has no column prompt, prompt_en, text or caption: name the prompt column"),
        ("a.csv", "prompt,b\n1\n", "line 2 has 1 cells but the header has 2: quote cells"),
        ("a.csv", "prompt,b\n1,2\nx, y, z\n", "line 3 has 3 cells"),
        ("a.csv", "prompt,b\n,2\n", "line 2: the prompt (column prompt) is empty"),
        ("a.csv", "prompt,prompt\n1,2\n", "has two columns named 'prompt'"),
        ("a.csv", 'prompt\n"open\n', "line 2 is not a valid table row: unexpected end of data"),
        ("a.json", "{}", "unknown suffix '.json': prompts are read from .txt, .csv, .tsv, .jsonl"),
    ],
)
def test_what_is_broken_is_refused_with_its_line(file, name, content, expected):
    assert expected in complaint(file(name, content))


def test_missing_files_and_folders_are_told_apart(file, tmp_path):
    file("prompts.txt", "a")
    assert f"did you mean {tmp_path / 'prompts.txt'}?" in complaint(str(tmp_path / "promts.txt"))
    assert "nor is there a folder" in complaint(str(tmp_path / "nowhere" / "a.txt"))
    assert "is a folder: name a file inside it, such as prompts.txt" in complaint(str(tmp_path))


def test_long_cells_are_read(file):
    assert len(load_prompts(file("a.csv", "prompt\n" + "x" * 200_000 + "\n"))[0].text) == 200_000


def test_the_embedded_world_brings_categories():
    prompts = load_prompts("scenes:ood", limit=50)
    assert len(prompts) == 50
    assert {type(p.columns["category"]) for p in prompts} == {str}
    assert "choose scenes:train, scenes:test or scenes:ood" in complaint("scenes:tset")


def test_categories_of_the_embedded_world_can_be_picked():
    whole = load_prompts("scenes:test")
    some = load_prompts("scenes:test/counting+position")
    assert some == [p for p in whole if p.columns["category"] in ("counting", "position")]
    assert load_prompts("scenes:test/counting+position", limit=5) == some[:5]


@pytest.mark.parametrize("source", ["scenes:ood/", "scenes:ood/single_object", "scenes:ood/colors+"])
def test_unknown_categories_are_named_with_the_known_ones(source):
    assert f"unknown prompts {source}: after / stand categories of scenes:ood" in complaint(source)
    assert "they are colors, counting, position, color_attr" in complaint(source)


def test_prompts_can_be_keys():
    assert len({Prompt("a", {"x": [1]}), Prompt("a", {"x": [1]})}) == 1
