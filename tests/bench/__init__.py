"""The speed table: `scripts/bench`. `report` is pure, `rows` measures, `stage` is where, `load` sends, `rivals` compare."""
