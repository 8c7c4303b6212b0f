"""The same events to TensorBoard, for those who watch many runs; the JSON lines stay the source of truth."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from burnish.errors import BurnishError
from burnish.report.story import number


class TensorBoard:
    """Scalars of every event under `RUN/tensorboard`; takes the same calls as `EventLog`.

    Training fields are named `train/reward`, those of an evaluation `evaluate/scenes:test/scenes_strict`,
    those of a held-out reward `watch/scenes:test/scenes_strict/truth/gain`.
    `start` is the step a resumed run continues from; points that an earlier stretch wrote after it are
    hidden.
    """

    def __init__(self, run: Path | str, start: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise BurnishError(
                "TensorBoard is not installed; run: pip install 'burnish[tensorboard]'"
            ) from error
        self._writer = SummaryWriter(str(Path(run) / "tensorboard"), purge_step=start + 1 if start else None)

    def append(self, kind: str, step: int, **fields: Any) -> None:
        """Write the finite numbers of one event; everything else is left out."""
        prefix = "/".join([kind, *(str(fields[key]) for key in ("set", "held_out") if key in fields)])
        flat = {
            f"{name}/{key}" if key else name: each
            for name, value in fields.items()
            for key, each in (value.items() if isinstance(value, dict) else [("", value)])
        }
        for name, value in flat.items():
            scalar = value.item() if callable(getattr(value, "item", None)) else value
            if number(scalar) is not None:
                self._writer.add_scalar(f"{prefix}/{name}", scalar, step)
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
