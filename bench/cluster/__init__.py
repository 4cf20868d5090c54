"""Work on several machines: constants of its steps, a simulation, and what it takes."""
