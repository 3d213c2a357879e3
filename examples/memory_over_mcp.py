"""A memory over MCP: the official client starts the server, remembers, asks, and shows what the tools cost a model.

pip install 'engrams[mcp]'
python examples/memory_over_mcp.py
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from mcp import Client, StdioServerParameters


async def talk(place: Path) -> None:
    arguments = ["-m", "engrams", "mcp", "--db", str(place), "--user", "ada"]
    server = StdioServerParameters(command=sys.executable, args=arguments)
    async with Client(server) as client:
        listed = await client.list_tools()
        letters = len(listed.model_dump_json(by_alias=True, exclude_none=True))
        print(
            f"{len(listed.tools)} tools, about {letters // 4} tokens: {', '.join(t.name for t in listed.tools)}"
        )
        for text in ("The tests run with make fast.", "We take PostgreSQL because two services write."):
            await client.call_tool("add_memory", {"text": text})
        found = await client.call_tool("get_context", {"query": "Why PostgreSQL?", "budget": 200})
        print(found.content[0].text)


with tempfile.TemporaryDirectory() as folder:
    asyncio.run(talk(Path(folder) / "memory.db"))
