"""The engine on paper: a flow is data, `engine.answer` runs it. Pure, but for `examples`, which reads the shipped flows."""
