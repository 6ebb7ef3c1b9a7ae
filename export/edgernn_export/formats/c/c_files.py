"""The files of one model: source, header and test, and the source opened on this computer."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgernn.arrays import Float32
from edgernn.backends import open_artifact
from edgernn.backends.protocol import Backend, State
from edgernn.backends.tensor_port import TensorPort
from edgernn.card import Card, read_card, seal
from edgernn.errors import UnsupportedError
from edgernn.golden import inputs_of
from edgernn.program.operators import Program
from edgernn_export.formats.base import DeviceFacts
from edgernn_export.formats.c import cortex_m
from edgernn_export.formats.c.compiled import CompiledModel, compile_library, find_compiler
from edgernn_export.formats.c.golden_test import count_samples, write_test
from edgernn_export.formats.c.writer import make_source, write_header, write_source


class CFiles:
    """Source, header and test of a program.

    Args:
        program: with a step.
        tflite: content of the .tflite file that the program was read from. The test expects this file's answers.
        stem: name of the files without a suffix.

    Raises:
        UnsupportedError: the program has an operator that C lacks.
    """

    def __init__(self, program: Program, tflite: bytes, stem: str) -> None:
        self._tflite, self._stem = tflite, stem
        self.source = make_source(program, stem)
        self._compiler = find_compiler()

    def embed_card(self, card: bytes) -> bytes:
        """Return the source file with a card as a comment."""
        # The reader of cards accepts only sealed ones, and this one is sealed later, with the whole file.
        read = read_card(seal(card))
        return write_source(self.source, read, card.decode("ascii"), f"{self._stem}.h").encode()

    def open(self, data: bytes) -> Backend:
        """Compile the source file and load it; without a compiler, open the .tflite file of the program instead.

        Raises:
            ExportError: the compiler refuses the source.
        """
        if not self._compiler:
            return open_artifact(Path(f"{self._stem}.tflite"), self._tflite, 1)
        card = read_card(data)
        with tempfile.TemporaryDirectory() as folder:
            # A new name each time: for the name of a library that is loaded already, the loader returns that one.
            library = Path(folder) / f"{Path(folder).name}.so"
            compile_library(self._compiler, self._files(data), library)
            compiler = next(word for word in reversed(self._compiler) if not word.startswith("-"))
            name = f"C by {Path(compiler).name}"
            return CompiledModel(library, self.source, name, scaled=bool(card.inputs[0].factor))

    def companions(self, data: bytes) -> Mapping[str, bytes]:
        """Return the header and the test that belong to a finished source file."""
        card = read_card(data)
        header = write_header(self.source, card)
        return {f"{self._stem}.h": header.encode(), f"{self._stem}_test.c": self._test(card, data).encode()}

    def describe(self, data: bytes) -> DeviceFacts:
        """Measure the memory and the time of the program on a microcontroller."""
        source, files = self.source, self._files(data)
        state = sum(each.size_bytes for each in source.layout.fields)
        numbers = (source.features + source.outputs) * source.element_bytes
        ram = f"{state + numbers:,} bytes of RAM for a stream with its row and answer"
        constants = sum(each.size_bytes for each in source.constants)
        sizes = cortex_m.measure_sizes(files, source.prefix)
        if not sizes:
            parts = [f"{constants:,} bytes of constants", ram]
        else:
            flash = ", ".join(f"{each.flash_bytes:,} on {each.core}" for each in sizes)
            parts = [f"bytes of flash with -Os, without the compiler's library: {flash}", ram]
        if stack := max((each.stack_bytes for each in sizes), default=0):
            parts.append(f"at most {stack:,} bytes of stack")
        instructions = cortex_m.count_instructions(files, source.prefix) if source.layout.is_int8 else None
        if instructions:
            parts.append(f"{instructions:,} instructions for each prediction on Cortex-M3")
        found = ["; ".join(parts)]
        if not self._compiler:
            found.append(
                "not compiled here: no C compiler was found, so the proof ran the .tflite file of the same program; "
                "install gcc, clang or the package ziglang to prove the source itself"
            )
        flash_bytes = max((each.flash_bytes for each in sizes), default=constants)
        return DeviceFacts(flash_bytes, state + numbers, tuple(found))

    def _files(self, data: bytes) -> dict[str, str]:
        return {
            f"{self._stem}.c": data.decode("utf-8"),
            f"{self._stem}.h": write_header(self.source, read_card(data)),
        }

    def _test(self, card: Card, data: bytes) -> str:
        if card.golden is None:
            raise ValueError("a card without golden samples")
        layout = self.source.layout
        samples = inputs_of(card.golden, card)[0][: count_samples(self.source)]
        answers = open_artifact(Path(f"{self._stem}.tflite"), self._tflite, 1).run((samples,))[0]
        if not layout.is_int8:
            return write_test(self.source, samples, answers, f"{self._stem}.h")
        rows = self._integers(samples, data)
        return write_test(self.source, rows, self._port(layout.answer).encode(answers), f"{self._stem}.h")

    def _integers(self, samples: Float32, data: bytes) -> State:
        """Quantize samples; if other float32 operators precede, let the compiled program do it."""
        layout = self.source.layout
        if len(layout.quantize.operators) == 1:
            return self._port(layout.row).encode(samples)
        opened = self.open(data)
        if not isinstance(opened, CompiledModel):
            raise UnsupportedError(
                "the quantization of rows after other operators without a C compiler; install gcc, clang or the "
                "package ziglang"
            )
        rows: State = opened.encode(samples)
        return rows

    def _port(self, number: int) -> TensorPort:
        value = self.source.layout.program.values[number]
        return TensorPort(0, value.shape, np.int8, (value.scale, value.zero_point))
