"""Long work: the queue, its workers, and the work of builds, imports, selections."""
