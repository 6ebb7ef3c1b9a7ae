"""The seam of formats: what an export needs to know of a kind of file, and what a format implements.

A format is a folder here with a subclass of `Format`, and one line in the table `formats.FORMATS`. It may use the Keras
model (`edgernn_export.source`) and the cells; nothing outside its folder compares names of formats.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from edgernn.backends.protocol import Backend
from edgernn.specs import Range
from edgernn_export.proof import Tolerance

if TYPE_CHECKING:
    from edgernn_export.source import Source

# The layout that artifacts are named without, as the common one.
PLAIN_LAYOUTS = ("unrolled", "operator", "step")
# Of every format that computes in float32: other kernels add in another order.
FLOAT32_TOLERANCE = Tolerance(
    difference=2e-5,
    agreement=0.999,
    drop=0.1,
    golden=1e-4,
    stream_difference=1e-5,
    stream_agreement=0.999,
    weight_coarseness=1,
)


@dataclass(frozen=True)
class Target:
    """One kind of artifact.

    The values are not checked here. `select_targets` returns only combinations that a format can make.

    Attributes:
        format: name of its format.
        quantization: float32, float16, dynamic, int8 or int16x8.
        layout: arrangement of the time steps in a .tflite file: unrolled (one after the other), loop, or fused (one
            TFLite sequence operator per layer); operator for .onnx files (one ONNX operator per layer); step for C.
        io: type of inputs and outputs: float32, or int8 with quantization int8.
        static: whether an .onnx file has fixed dimensions, a batch of one and no states; False for other files.
    """

    format: str
    quantization: str
    layout: str
    io: str = "float32"
    static: bool = False

    def __str__(self) -> str:
        parts = [self.format, self.quantization, self.layout]
        parts += ["int8 I/O"] * (self.io == "int8") + ["static"] * self.static
        return " ".join(parts)

    def file_name(self, name: str) -> str:
        """Return the file name of a model's artifact."""
        from edgernn_export.formats import format_of  # late: the table needs this module

        return format_of(self).file_name(self, name)


@dataclass(frozen=True)
class DeviceFacts:
    """Needs of a program on a device, for artifacts that a device compiles.

    Attributes:
        flash_bytes: code and constants, on the processor that needs most; constants alone without a compiler for one.
        ram_bytes: of a stream with its row and answer, without the stack.
        sentences: these and other facts for the user, without a full stop.
    """

    flash_bytes: int
    ram_bytes: int
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Finished:
    """A converted file, complete except for its card.

    Attributes:
        embed_card: function from an encoded card to the file's content with the card in it. An export calls it several
            times, with cards of different lengths, so it must keep no state.
        input_limits, output_limits: lowest and highest value that the file's integers can hold, as in the card; None
            where there are no such limits.
        open: function that opens the file's content, with a card, on this computer; None if the format's backend does.
        companions: function from the file's final content to the content of the files that belong beside it, by name,
            such as a C header; None if there are none.
        describe: function from the file's final content to what it needs on a device; None if the runtime runs it.
    """

    embed_card: Callable[[bytes], bytes]
    input_limits: Range | None = None
    output_limits: Range | None = None
    open: Callable[[bytes], Backend] | None = None
    companions: Callable[[bytes], Mapping[str, bytes]] | None = None
    describe: Callable[[bytes], DeviceFacts] | None = None


@dataclass(frozen=True)
class Plan:
    """The targets that an export of a model makes without any choice.

    Attributes:
        targets: targets that may be the best for some device.
        reserves: targets that are only made if no artifact with int8 weights passes the proof.
        left_out: default targets that cannot be the best for this model, with the reason.
    """

    targets: tuple[Target, ...]
    reserves: tuple[Target, ...] = ()
    left_out: Mapping[Target, str] = field(default_factory=dict)


class Format(ABC):
    """A kind of file that an export makes.

    Attributes:
        name: of the format, as in `--to`.
        suffix: of its files, that of a backend in `edgernn.backends.BACKENDS`, if the runtime runs them.
        backend: the backend that computes the proof and the golden answers, unless `Finished.open` does.
        companion_names: patterns of the names of files beside an artifact, with {} for its name without suffix.
        defaults: targets that an export makes without any choice, unless `plan` finds better ones for a model.
        others: targets that are made only when they are chosen.
        tolerances: by quantization.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    backend: ClassVar[str]
    defaults: ClassVar[tuple[Target, ...]]
    others: ClassVar[tuple[Target, ...]] = ()
    companion_names: ClassVar[tuple[str, ...]] = ()
    tolerances: ClassVar[Mapping[str, Tolerance]]

    @abstractmethod
    def convert(self, source: "Source", target: Target, stream: bool) -> Finished:
        """Convert the Keras model for a target.

        Args:
            source: the model. `source.shared` keeps intermediate results for other targets.
            target: one of this format's.
            stream: request that the file can also answer row by row; only for a model that can stream.

        Returns:
            The file without its card, and the limits of its inputs and outputs in the model's own values, such as
            0.0 to 1.0, not in integers. The file's input and output have the names `edgernn.specs.INPUT` and `OUTPUT`.

        Raises:
            ExportError: a converter fails.
            UnsupportedError: this model cannot become such a file.
        """

    def variants(self, io_type: str, static: bool) -> tuple[Target, ...]:
        """Return the targets with this type of inputs and outputs, with or without fixed dimensions; maybe none."""
        return () if io_type != "float32" or static else (*self.defaults, *self.others)

    def is_refined(self, target: Target) -> bool:
        """Return True if the target's weights are rounded with one scale per channel, as `refine` assumes."""
        return False

    def is_calibrated(self, target: Target) -> bool:
        """Return True if activation ranges are measured on the calibration set for this target."""
        return False

    def file_name(self, target: Target, name: str) -> str:
        """Return the file name of a model's artifact; it names all that differs from the plain float32 one."""
        parts = [name, target.quantization]
        if target.layout not in PLAIN_LAYOUTS:
            parts.append(target.layout)
        if target.io == "int8":
            parts.append("io8")
        if target.static:
            parts.append("static")
        return f"{'-'.join(parts)}{self.suffix}"

    def files(self, target: Target, name: str) -> tuple[str, ...]:
        """Return the names of all files that an export of a target writes; the artifact is the first."""
        artifact = self.file_name(target, name)
        stem = artifact.removesuffix(self.suffix)
        return (artifact, *(pattern.format(stem) for pattern in self.companion_names))

    def plan(self, source: "Source") -> Plan:
        """Choose from the default targets for a model."""
        return Plan(self.defaults)
