"""The TFLite format: `format` says what there is; `convert`, then `quantize`, then a layout, then `compact`."""
