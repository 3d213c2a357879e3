"""Writes the two clients of the REST server, engrams/client/synchronous.py and asynchronous.py, from what `Memory` says.

python scripts/make_client.py          write them
python scripts/make_client.py --check  exit 1 when one differs from what is committed
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = (ROOT / "engrams" / "memory.py", ROOT / "engrams" / "lifecycle" / "keeping.py")
ROOM = ROOT / "engrams" / "client"

#: What is done beside the store, by whoever keeps the server: files, keys of encryption, work of its own.
LEFT_OUT = frozenset(
    """
    keep_payload payload payloads drop_payload open held_by chat close work reset reembed backup vacuum finish_erasing
    encrypted_copy change_key export_container restore_container merge_container split_container weights
    """.split()
)

HEAD = '''"""{first}

Made from memory.py by scripts/make_client.py; change that, not this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engrams.client.speaking import {base}
'''
FIRST = {
    "Client": "The client for threads: every call of `Memory`, asked of a server.",
    "AsyncClient": "The client for asyncio: every call of `Memory`, asked of a server and awaited.",
}
DOC = {
    "Client": "`Memory` behind a REST server: the same calls, arguments, records and errors. Open: `Client(url, key=…)`.",
    "AsyncClient": "`Memory` behind a REST server, for asyncio: the same calls, awaited. Open: `AsyncClient(url, key=…)`.",
}


def method(found: ast.FunctionDef, waits: bool) -> str:
    """One call: the same signature and docstring, the arguments handed on under their names."""
    arguments = found.args
    names = [a.arg for a in [*arguments.args[1:], *arguments.kwonlyargs]]
    if arguments.vararg:
        names.append(arguments.vararg.arg)
    given = ", ".join(f'"{n}": {n}' for n in names if n not in ("path",))
    if arguments.kwarg:
        given += f", **{arguments.kwarg.arg}"
    call = f'self._asked("{found.name}", {{{given}}})'
    if found.name == "add_many":
        given = ", ".join(f'"{n}": {n}' for n in names if n != "messages")
        call = f"self._asked_in_batches(messages, {{{given}}})"
    elif found.name == "export":
        call = f"self._taken(path, {{{given}}})"
    elif found.name in ("import_file", "restore"):
        named = '"name": Path(path).name, ' if found.name == "import_file" else ""
        call = f'self._sent("{found.name}", path, {{{named}{given}}})'
    returns = ast.unparse(found.returns) if found.returns else "None"
    doc = ast.get_docstring(found, clean=False)
    word = "await " if waits else ""
    body = [f"        {word}{call}"]
    if returns != "None":
        body = [f"        found: {returns} = {word}{call}", "        return found"]
    opening = "async def" if waits else "def"
    lines = [
        f"    {opening} {found.name}({ast.unparse(arguments)}) -> {returns}:",
        f'        """{doc}"""',
        *body,
    ]
    return "\n".join(lines)


def generate(name: str) -> str:
    """One whole file, formatted."""
    waits = name == "AsyncClient"
    trees = [ast.parse(path.read_text("utf-8")) for path in SOURCES]
    front = next(
        n.value
        for n in trees[0].body
        if isinstance(n, ast.Assign)
        and ast.unparse(n.targets[0]) == "__all__"
        and isinstance(n.value, ast.List)
    )
    kept = [ast.literal_eval(n) for n in front.elts]
    imports = [f"    from engrams.memory import {', '.join(kept)}"]
    imports += [
        "    " + ast.unparse(n)
        for n in trees[0].body
        if isinstance(n, ast.ImportFrom) and n.module == "engrams.records"
    ]
    classes = [
        n
        for tree in trees
        for n in tree.body
        if isinstance(n, ast.ClassDef) and n.name in ("Memory", "Keeping")
    ]
    methods = [
        n
        for c in classes
        for n in c.body
        if isinstance(n, ast.FunctionDef)
        and not n.name.startswith("_")
        and n.name not in LEFT_OUT
        and not any(isinstance(d, ast.Name) for d in n.decorator_list)
    ]
    alias = next(
        ast.unparse(n)
        for n in trees[0].body
        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "Moment"
    )
    base = "AsyncSpeaking" if waits else "Speaking"
    head = HEAD.format(first=FIRST[name], base=base)
    text = "\n".join(
        [
            head,
            "if TYPE_CHECKING:",
            *imports,
            "",
            alias,
            "",
            f"class {name}({base}):",
            f'    """{DOC[name]}"""',
            "",
        ]
    )
    text += "\n" + "\n\n".join(method(m, waits) for m in methods) + "\n"
    target = ROOM / ("asynchronous.py" if waits else "synchronous.py")
    for command in (["check", "--fix", "--quiet", "--select", "F401,I"], ["format", "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(target), "-"],
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
    code = 0
    for name, file in (("Client", "synchronous.py"), ("AsyncClient", "asynchronous.py")):
        made, target = generate(name), ROOM / file
        if "--check" not in sys.argv:
            target.write_text(made, "utf-8")
            print(f"wrote {target.relative_to(ROOT)}")
        elif not target.is_file() or target.read_text("utf-8") != made:
            print(f"{target.relative_to(ROOT)} differs: run python scripts/make_client.py")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
