"""The embedded world: look at it, build its models."""

from __future__ import annotations

from pathlib import Path

from burnish.cli.words import Parser, UsageError, at_least


def scenes(rest: list[str]) -> None:
    """The embedded world: `show` draws it; `pretrain`, `read` and `preference` build the bundled models."""
    actions = ("show", "pretrain", "read", "preference")
    if not rest or rest[0] in ("-h", "--help"):
        print(
            'usage: burnish scenes show "PROMPT" … [--out FILE.png] [--seed N]\n'
            "       burnish scenes pretrain …      the text-to-image model\n"
            "       burnish scenes read …          the vision-language model\n"
            "       burnish scenes preference …    the learned reward"
        )
        return
    if rest[0] not in actions:
        raise UsageError(f"no command scenes {rest[0]!r}; there are {', '.join(actions)}")
    if rest[0] == "pretrain":
        from burnish.scenes.pretrain import main as pretrain

        pretrain(rest[1:])
        return
    if rest[0] == "read":
        from burnish.scenes.warmup import main as read

        read(rest[1:])
        return
    if rest[0] == "preference":
        from burnish.scenes.preference import main as preference

        preference(rest[1:])
        return
    parser = Parser(prog="burnish scenes show", allow_abbrev=False)
    parser.add_argument(
        "texts", nargs="+", metavar="PROMPT", help="such as 'a red star left of a blue circle'"
    )
    parser.add_argument("--out", type=Path, default=Path("scene.png"))
    parser.add_argument("--seed", type=at_least(0), default=0)
    parser.add_argument("--size", type=at_least(16), default=128, help="pixels a picture (default: 128)")
    options = parser.parse_intermixed_args(rest[1:])
    import numpy as np
    from PIL import Image

    from burnish.scenes.renderer import draw

    rng = np.random.default_rng(options.seed)
    pictures = [draw(text, rng, options.size) for text in options.texts]
    try:
        Image.fromarray(np.concatenate(pictures, axis=1)).save(options.out)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write {options.out}: {error}") from None
    print(options.out)
