"""What things are made of: the library of records, and materials sampled from it."""
