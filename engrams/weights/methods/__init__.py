"""Published ways to keep what was learnt in weights, one small file each; `catalogue` lists them."""
