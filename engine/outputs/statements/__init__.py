"""engine.outputs.statements."""
