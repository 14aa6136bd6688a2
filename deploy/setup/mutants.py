"""Small faults for the house's own code: where they can be put, what they change, how one is put in.

for mutant in mutants("risk/checks.py"): ...     # every one of a file
install(mutant)                                  # in this process; False: only while it is imported
"""

import ast
import functools
import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
WHOLE: Final = ("risk/controls/*.py", "risk/checks.py", "risk/overlay.py")
SAMPLED: Final = ("risk/*.py", "daemon/gate/*.py", "market/order_table.py")
# They wait, read and write: tests of whole processes hold them, minutes a mutant.
SHELLS: Final = frozenset(
    f"daemon/gate/{name}.py"
    for name in (
        "main", "engine", "control_server", "links", "shell", "lockstep", "options", "files", "journal",
        "rehearsal",
    )
)  # fmt: skip
COMPARE: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Div: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
SWAPPED: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Mutant(NamedTuple):
    """One fault: where it is, and what it is; the n-th of its module."""

    path: str
    n: int
    line: int
    last: int  # of the lines that a test must run to meet it
    scope: str
    what: str
    key: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.scope}: {self.what}"

    def tree(self) -> ast.Module:
        """Return the module with the fault."""
        tree = ast.parse(source(self.path))
        n = 0
        for node, _, statement in places(tree):
            for _, undo in changes(node, statement):
                if n == self.n:
                    return ast.fix_missing_locations(tree)
                n += 1
                undo()
        raise LookupError(str(self))


def mutants(path: str) -> list[Mutant]:
    """Return every mutant of a module."""
    tree = ast.parse(source(path))
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    for node, scope, statement in places(tree):
        line, last = statement.lineno, statement.end_lineno or statement.lineno
        if hasattr(statement, "body") and statement.body:
            last = max(line, statement.body[0].lineno - 1)  # its head; what is in it is there for itself
        around = ast.dump(statement)
        for what, undo in changes(node, statement):
            text = f"{path} {scope} {what} {around}"
            seen[text] += 1
            key = hashlib.sha256(f"{text} {seen[text]}".encode()).hexdigest()[:20]
            found.append(Mutant(path, len(found), line, last, scope, what, key))
            undo()
    return found


@functools.cache
def source(path: str) -> str:
    """Return a module's text as it was when it was first asked for: somebody may be editing."""
    return (ROOT / path).read_text()


def places(tree: ast.Module) -> Iterator[tuple[ast.AST, str, ast.stmt]]:
    """Yield every node that may be mutated, with the function and the statement that it is in."""

    def walk(
        node: ast.AST, scope: str, statement: ast.stmt | None
    ) -> Iterator[tuple[ast.AST, str, ast.stmt]]:
        for name, value in ast.iter_fields(node):
            if name in ("decorator_list", "annotation", "returns", "bases", "keywords") and not isinstance(
                node, ast.Call
            ):
                continue
            for child in value if isinstance(value, list) else [value]:
                if not isinstance(child, ast.AST) or isinstance(
                    child, ast.JoinedStr | ast.Assert | ast.Raise
                ):
                    continue  # texts are for people; assertions and the words of errors too
                at = child if isinstance(child, ast.stmt) else statement
                inner = scope
                if isinstance(child, ast.FunctionDef | ast.ClassDef):
                    within = isinstance(node, ast.Module | ast.ClassDef)  # else it is a part of its function
                    inner = f"{scope}.{child.name}".lstrip(".") if within else scope
                elif at is not None:
                    yield child, scope, at
                yield from walk(child, inner, at)

    yield from walk(tree, "", None)


def changes(node: ast.AST, statement: ast.stmt) -> Iterator[tuple[str, Any]]:
    """Change a node in place; yield what was done and how to undo it."""
    was = dict(vars(node))

    def undo() -> None:
        vars(node).clear()
        vars(node).update(was)

    def said(after: str) -> tuple[str, Any]:
        return f"{before} -> {after}", undo

    before = "" if isinstance(node, ast.stmt) and hasattr(node, "body") else short(node)
    if isinstance(node, ast.Compare):
        for n, op in enumerate(node.ops):
            node.ops = [*node.ops[:n], COMPARE[type(op)](), *node.ops[n + 1 :]]
            yield said(short(node))
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC and not is_text(node.left):
        node.op = ARITHMETIC[type(node.op)]()
        yield said(short(node))
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield said(short(node))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
        if isinstance(was["op"], ast.Not):
            node.operand = ast.UnaryOp(ast.Not(), node.operand)  # not not x
        yield said(short(node))
    elif isinstance(node, ast.Constant) and type(node.value) in (int, bool):
        for value in [not node.value] if isinstance(node.value, bool) else [node.value + 1, node.value - 1]:
            node.value = value
            yield f"{before} -> {value} in {short(statement)}", undo
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SWAPPED:
        node.func = ast.Name(SWAPPED[node.func.id], ast.Load())
        yield said(short(node))
    elif isinstance(node, ast.Return) and not is_none(node.value):
        node.value = ast.Constant(None)
        yield said("return None")
    elif isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
        node.op = ARITHMETIC[type(node.op)]()
        yield said(short(node))
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        head = short(node.test)
        node.test = ast.UnaryOp(ast.Not(), node.test)
        yield f"if {head} -> if not", undo
    elif isinstance(node, ast.comprehension) and node.ifs:
        node.ifs = []
        yield f"{before} -> without its if", undo
    elif isinstance(node, ast.Break | ast.Continue):
        node.__class__ = ast.Continue if isinstance(node, ast.Break) else ast.Break  # type: ignore[assignment]
        kind = ast.Break if isinstance(node, ast.Continue) else ast.Continue
        yield before, lambda: setattr(node, "__class__", kind)
    if removable(node):
        undo()
        kept = type(node)
        vars(node).clear()
        node.__class__ = ast.Pass  # type: ignore[assignment]
        vars(node).update({k: was[k] for k in ("lineno", "col_offset", "end_lineno", "end_col_offset")})

        def revive() -> None:
            node.__class__ = kept  # type: ignore[assignment]
            undo()

        yield f"{before} -> removed", revive


def removable(node: ast.AST) -> bool:
    """Return whether a statement may go: calls, and assignments to what outlives the function."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant | ast.Yield | ast.YieldFrom)
    if isinstance(node, ast.Assign):
        return any(isinstance(t, ast.Attribute | ast.Subscript | ast.Tuple) for t in node.targets)
    return isinstance(node, ast.AugAssign | ast.Delete | ast.Break | ast.Continue)


def is_none(node: ast.expr | None) -> bool:
    """Return whether a function already returns None there."""
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def is_text(node: ast.AST) -> bool:
    """Return whether a node is a string: "+" joins it."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def short(node: ast.AST) -> str:
    """Return a node as code, a line of it."""
    text = ast.unparse(node).strip().partition("\n")[0]
    return text if len(text) <= 90 else text[:87] + "..."


# --- putting one in ---------------------------------------------------------------------------


def functions(module: ModuleType) -> dict[str, FunctionType]:
    """Return the functions of a module by qualified name: plain, of classes, properties, cached."""
    found: dict[str, FunctionType] = {}

    def take(value: Any) -> None:
        value = getattr(value, "__func__", value)
        value = getattr(value, "fget", value)
        value = getattr(value, "__wrapped__", value)
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            found[value.__qualname__] = value

    for value in list(vars(module).values()):
        take(value)
        if isinstance(value, type) and value.__module__ == module.__name__:
            for inner in list(vars(value).values()):
                take(inner)
    return found


def code_of(code: CodeType, scope: str) -> CodeType | None:
    """Return the code object of a qualified name."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_qualname == scope:
                return inner
            deeper = code_of(inner, scope) if scope.startswith(inner.co_qualname + ".") else None
            if deeper is not None:
                return deeper
    return None


def install(mutant: Mutant) -> bool:
    """Replace what the mutant changes in this process; False where that cannot be done in place."""
    name = mutant.path.removesuffix(".py").replace("/", ".")
    module = sys.modules.get(name)
    if module is None:
        return False
    tree = mutant.tree()
    code = compile(tree, str(ROOT / mutant.path), "exec")
    if mutant.scope:
        found, new = functions(module).get(mutant.scope), code_of(code, mutant.scope)
        if found is None or new is None:
            return False
        found.__code__ = new
        found.__defaults__ = defaults_of(tree, mutant.scope, found.__defaults__)
        for cached in vars(module).values():
            if getattr(cached, "__wrapped__", None) is found and hasattr(cached, "cache_clear"):
                cached.cache_clear()
        return True
    if any(isinstance(node, ast.ClassDef) for node in tree.body):
        return False  # its classes would be others than those that everybody has
    fresh: dict[str, Any] = {"__name__": name, "__file__": str(ROOT / mutant.path)}
    exec(code, fresh)  # noqa: S102  (the house's own code, one fault apart)
    return swap(module, fresh)


def defaults_of(tree: ast.Module, scope: str, old: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    """Return what parameters are where nobody says: the constants of the text, else as they were."""
    node: Any = tree
    for name in scope.split("."):
        node = next(n for n in node.body if getattr(n, "name", "") == name)
    told = zip(node.args.defaults, old or (), strict=True)
    return tuple(n.value if isinstance(n, ast.Constant) else value for n, value in told) or None


def swap(module: ModuleType, fresh: dict[str, Any]) -> bool:
    """Give values of a module's names to it and to whoever imported them; True where one was another."""
    changed = False
    for name, new in fresh.items():
        old = vars(module).get(name)
        if isinstance(old, type | FunctionType | ModuleType) or name.startswith("__") or callable(old):
            continue
        if repr(old) == repr(new):
            continue
        changed = True
        if isinstance(old, dict):
            old.clear()
            old.update(new)
            continue
        for other in list(sys.modules.values()):
            if (
                other is not None
                and getattr(other, "__dict__", {}).get(name) is old
                and borrows(other, module, name)
            ):
                setattr(other, name, new)
    return changed


def borrows(other: ModuleType, module: ModuleType, name: str) -> bool:
    """Return whether a module has a name from another by import."""
    if other is module:
        return True
    path = getattr(other, "__file__", None)
    if not path or not str(path).startswith(str(ROOT)):
        return False
    tree = ast.parse(Path(path).read_text())
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == module.__name__
        and any(a.name == name for a in node.names)
        for node in ast.walk(tree)
    )


def files(patterns: tuple[str, ...]) -> list[str]:
    """Return the files of patterns, as paths from the root."""
    found = {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)}
    return sorted(f for f in found if not f.endswith("__init__.py") and f not in SHELLS)
