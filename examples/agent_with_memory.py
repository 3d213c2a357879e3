"""An agent that remembers: it recalls before answering and journals afterwards. Your model goes into `answer`; no key is needed.

python examples/agent_with_memory.py
"""

from __future__ import annotations

from engrams import Context, Memory


def answer(question: str, context: Context) -> str:
    """Where your language model stands. This stand-in quotes the best hit, or admits that it knows nothing."""
    if not context.found:
        return "I do not know that yet."
    best = max(context.hits, key=lambda hit: hit.score)
    return f"You told me on {best.occurred_at:%d %B %Y}: {best.text!r}"


def talk(memory: Memory, user: str, said: str, *, session: str) -> str:
    """One turn: what is known about it goes to the model, then both sides of the turn are kept."""
    context = memory.context(said, user_id=user, budget=500)
    reply = answer(said, context)
    memory.add(
        [{"role": "user", "content": said}, {"role": "assistant", "content": reply}],
        user_id=user,
        session=session,
        metadata={"recalled": len(context.citations), "recalled_tokens": context.price.tokens},
    )
    return reply


def main() -> None:
    """Two evenings with the same user, and one question of another."""
    with Memory.open(":memory:") as memory:
        memory.add("My daughter Ines starts school on 15 September.", user_id="rui", occurred_at="2025-08-30")
        memory.add(
            "The landlord is Mr Pinto, he lives above the bakery.", user_id="rui", occurred_at="2025-08-30"
        )
        print(talk(memory, "rui", "When does Ines start school?", session="evening"))
        print(talk(memory, "eva", "Who is the landlord?", session="evening"))


if __name__ == "__main__":
    main()
