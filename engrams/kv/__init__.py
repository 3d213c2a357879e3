"""Activation memory: what a model computed for a text, kept, moved, composed and compressed. Needs the extra `torch`.

Everything here works on models of `transformers` with rotary positions, through the public interface of their caches.
"""
