"""Tables in and out: Arrow, frames and lists of columns."""
