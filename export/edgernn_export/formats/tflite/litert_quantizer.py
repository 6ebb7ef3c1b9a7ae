"""litert-quantizer: run it, and its recipes."""

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgernn.errors import ExportError, first_line


def run_quantizer(
    data: bytes,
    make_recipe: Callable[[], Sequence[Any]],
    statistics: Mapping[str, Any] | None = None,
    float_io: bool = True,
    floats: Sequence[str] = (),
) -> bytes:
    """Quantize a float32 .tflite file.

    Args:
        data: the file's content.
        make_recipe: `static8`, `static16`, `dynamic` or `float16`.
        statistics: the range of each activation by its name, in the form of the quantizer's calibration.
        float_io: whether inputs and outputs stay float32.
        floats: names of the outputs of operators that stay float32.

    Raises:
        ExportError: the quantizer fails.
    """
    from litert_quantizer import quantizer
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import TFLOperationName

    unquantized = [(".*", side) for side in (TFLOperationName.INPUT, TFLOperationName.OUTPUT) if float_io]
    # The scope of an operator is the names of its outputs, each followed by a semicolon.
    unquantized += [(f"^{re.escape(name)};?$", TFLOperationName.ALL_SUPPORTED) for name in floats]
    try:
        # It prints its progress to standard error and has no option that silences all of it.
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            # It inspects a graph with a debugging interpreter, which warns of its memory use.
            warnings.filterwarnings("ignore", "Warning: Enabling `experimental_preserve_all_tensors`", UserWarning)
            # It casts biases too large for 32 bits, which `static_quantization` replaces.
            warnings.filterwarnings("ignore", "invalid value encountered in cast", RuntimeWarning)
            work = quantizer.Quantizer(data, make_recipe())
            for scope, operators in unquantized:
                work.update_quantization_recipe(scope, operators, algorithm_key=AlgorithmName.NO_QUANTIZE)
            result = work.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
    except (ValueError, RuntimeError, KeyError) as error:
        raise ExportError(f"litert-quantizer fails: {first_line(error)}") from error
    return bytes(result.quantized_model)


def static8() -> Any:
    """Make the recipe of full integers with int8 activations."""
    from litert_quantizer import recipe

    return recipe.static_wi8_ai8()


def static16() -> Any:
    """Make the recipe of full integers with int16 activations."""
    from litert_quantizer import recipe

    return recipe.static_wi8_ai16()


def dynamic() -> Any:
    """Make the recipe of int8 weights and float32 activations."""
    from litert_quantizer import recipe

    return recipe.dynamic_wi8_afp32()


def float16() -> Any:
    """Make the recipe of float16 weights and float32 activations."""
    from litert_quantizer import qtyping, recipe_manager
    from litert_quantizer.algorithm_manager import AlgorithmName

    manager = recipe_manager.RecipeManager()
    manager.add_quantization_config(
        ".*",
        qtyping.TFLOperationName.ALL_SUPPORTED,
        qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(16, dtype=qtyping.TensorDataType.FLOAT),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        AlgorithmName.FLOAT_CASTING,
    )
    return manager.get_quantization_recipe()
