"""Who answers: the token table, embedders, language models."""
