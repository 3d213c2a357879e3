"""The MCP door: a memory as tools, resources and prompts for any agent that speaks the Model Context Protocol."""
