"""Writes engrams/aio.py, the async twin of engrams/memory.py, from its signatures and docstrings.

python scripts/make_async.py          write it
python scripts/make_async.py --check  exit 1 when it differs from what is committed
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE, TARGET = ROOT / "engrams" / "memory.py", ROOT / "engrams" / "aio.py"
#: What `Memory` inherits: its public methods belong to the twin, too.
KEEPING = ROOT / "engrams" / "lifecycle" / "keeping.py"

HEAD = '''"""The front door for asyncio: every call of `Memory`, run in a worker thread; can be awaited and cancelled.

A cancelled call returns at once; a write that had already begun still ends whole or not at all, as always.
Made from memory.py by scripts/make_async.py; change that, not this.
"""

from __future__ import annotations

import asyncio
'''

CLASS = '''
class AsyncMemory:
    """`Memory` for asyncio: the same calls with the same arguments, awaited. Open it with `await AsyncMemory.open(path)`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
'''

TAIL = '''
    @property
    def recipe(self) -> Recipe:
        """The memory system this memory runs."""
        return self._memory.recipe

    @property
    def location(self) -> str:
        """Where the store lies."""
        return self._memory.location

    @staticmethod
    def catalogue() -> Mapping[str, Recipe]:
        """Every recipe by name."""
        return Memory.catalogue()

    @staticmethod
    def find_recipe(name: str) -> Recipe:
        """The recipe that a name means; see `Memory.find_recipe`."""
        return Memory.find_recipe(name)

    @staticmethod
    def policies() -> list[Mapping[str, Json]]:
        """Compression policies and ways of reuse of activation memory; see `Memory.policies`."""
        return Memory.policies()

    async def __aenter__(self) -> AsyncMemory:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Async{self._memory!r}"
'''


def twin(method: ast.FunctionDef) -> str:
    """One async method: the same signature and docstring, the call handed to a thread."""
    opening = method.name == "open"
    arguments = method.args
    names = [a.arg for a in arguments.args[1:]]
    call = ", ".join(
        names
        + [f"{a.arg}={a.arg}" for a in arguments.kwonlyargs]
        + ([f"**{arguments.kwarg.arg}"] if arguments.kwarg else [])
    )
    doc = ast.get_docstring(method, clean=False)
    given = ast.unparse(method.returns) if method.returns else "None"
    another = given == "Memory"  # what gives a memory gives an asynchronous one here
    returns = "AsyncMemory" if another else given
    called = f"{'Memory' if opening else 'self._memory'}.{method.name}"
    body = f"asyncio.to_thread({called}{', ' + call if call else ''})"
    if another:
        body = f"return {'cls' if opening else 'AsyncMemory'}(await {body})"
    else:
        body = f"await {body}" if returns == "None" else f"return await {body}"
    lines = ["    @classmethod"] if opening else []
    lines += [
        f"    async def {method.name}({ast.unparse(arguments)}) -> {returns}:",
        f'        """{doc}"""',
        f"        {body}",
    ]
    return "\n".join(lines)


def generate() -> str:
    """The whole file, formatted."""
    tree, kept = ast.parse(SOURCE.read_text("utf-8")), ast.parse(KEEPING.read_text("utf-8"))
    imports = [
        ast.unparse(n)
        for n in [*tree.body, *kept.body]
        if isinstance(n, ast.Import | ast.ImportFrom)
        and getattr(n, "module", "") not in {"__future__", "engrams.lifecycle", "engrams.ingest.messages"}
    ]
    memory = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Memory")
    keeping = next(n for n in kept.body if isinstance(n, ast.ClassDef) and n.name == "Keeping")
    methods = [
        n
        for n in [*memory.body, *keeping.body]
        if isinstance(n, ast.FunctionDef)
        and not n.name.startswith("_")
        and not any(
            isinstance(d, ast.Name) and d.id in {"property", "staticmethod"} for d in n.decorator_list
        )
    ]
    static = [
        f"    {n.name} = staticmethod(Memory.{n.name})"
        for n in keeping.body
        if isinstance(n, ast.FunctionDef)
        and any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in n.decorator_list)
    ]
    alias = next(
        ast.unparse(n)
        for n in tree.body
        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "Moment"
    )
    text = "\n".join([HEAD + "\n".join(imports), "from engrams.memory import Memory", "", alias, "", CLASS])
    text += "\n" + "\n\n".join([*(twin(m) for m in methods), *static]) + "\n" + TAIL
    for command in (["check", "--fix", "--quiet", "--select", "F401,I"], ["format", "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(TARGET), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        text = done.stdout or text
    return text


def main() -> int:
    """Writes or checks."""
    made = generate()
    if "--check" in sys.argv:
        same = TARGET.is_file() and TARGET.read_text("utf-8") == made
        print(
            "engrams/aio.py is up to date"
            if same
            else "engrams/aio.py differs: run python scripts/make_async.py"
        )
        return 0 if same else 1
    TARGET.write_text(made, "utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
