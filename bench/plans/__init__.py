"""What plans of long work say, beside what the work takes."""
