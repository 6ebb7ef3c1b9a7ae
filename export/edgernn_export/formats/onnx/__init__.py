"""The ONNX format: `format` says what there is; `convert` by tf2onnx, `int8_weights`."""
