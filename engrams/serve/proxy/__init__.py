"""The proxy: an endpoint of OpenAI's protocol that adds memory to any client, and passes everything else on untouched."""
