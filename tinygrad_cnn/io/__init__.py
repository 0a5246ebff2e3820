"""Arrays in files: safetensors, an open format that holds numbers and names and cannot run code."""

from __future__ import annotations

from tinygrad_cnn.io.safetensors_files import load_metadata, load_tensors, save_tensors

__all__ = ["load_metadata", "load_tensors", "save_tensors"]
