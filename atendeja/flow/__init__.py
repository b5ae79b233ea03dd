"""The engine on paper: a flow is data, `engine.answer` the one function that runs it. Pure, but for reading the shipped examples."""
