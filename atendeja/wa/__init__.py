"""The Cloud API on paper: what its bytes mean and how ours look. Nothing here does I/O."""
