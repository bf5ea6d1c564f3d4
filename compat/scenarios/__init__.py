"""The compatibility scenarios; `compat/run` starts them."""
