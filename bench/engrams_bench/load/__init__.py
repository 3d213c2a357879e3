"""Load: many clients of one REST server at once, adds and searches mixed; then proof that nothing acknowledged was lost."""
