"""The C format: C99 source for microcontrollers, made from the program of the proven .tflite file.

`format` lists the targets. `layout` divides the operators into C functions and places the values. `integer_statements`
and `float_statements` write operators as C, with `emitter`; `helpers` has the C functions that they call. `writer`
writes source and header, `golden_test` the test, and `c_files` collects the three files. `compiled` runs the source on
this computer, `cortex_m` measures it for microcontrollers.
"""
