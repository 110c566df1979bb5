"""Archives, pickles and tensors in files, read and written as data."""
