"""The C format: C99 source for microcontrollers, made from the program of the proven .tflite file.

`format` says what there is. `layout` decides where values are kept, `integer_statements` and `float_statements` write
operators as C, `helpers` has the functions that they call, `writer` puts the files together, `golden_test` writes the
test of the samples, `compiled` runs the files on this computer.
"""
