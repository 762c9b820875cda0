"""A pickle machine that imports nothing and calls nothing but what its caller lists.

Python's own machine calls whatever a file names. This one knows the opcodes that Python writes for
plain data since protocol 2, and refuses all others, like those of older protocols (INST, OBJ), of
extension registries (EXT1) and of stack tricks (DUP, POP). Its values stay inert.
"""

import pickletools
from collections.abc import Callable
from io import BytesIO
from mmap import mmap
from typing import IO, TypeVar, cast

from mimic3d.conversion.allowlist import Allowlist, Global, Name, StatefulValue

Stream = BytesIO | mmap  # a file's read(n) would allocate n bytes, however few there are
Container = TypeVar("Container", list, dict, set)

STARTS = [bytes([0x80, protocol]) for protocol in range(2, 6)]
LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE",
    "BINBYTES", "SHORT_BINBYTES",
}  # fmt: skip
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def run_pickle(stream: Stream, allowed: Allowlist, max_opcodes: int) -> object:
    """The value of the pickle that starts at the stream's position, which ends up behind it.

    Raises:
        ValueError: an opcode or a name is not allowed, or the pickle is damaged.
    """
    start = stream.tell()
    if stream.read(2) not in STARTS:
        raise ValueError(f"no pickle of protocol 2 to 5 starts at byte {start}")
    machine = _PickleMachine(allowed)
    opcodes = pickletools.genops(cast(IO[bytes], stream))
    for count, (opcode, argument, position) in enumerate(opcodes):
        if count >= max_opcodes:
            raise ValueError(f"it has more than {max_opcodes} opcodes")
        if opcode.name == "STOP":
            return machine.stop()
        if opcode.name == "FRAME":  # protocol 4 says how much to read ahead
            continue
        try:
            machine.step(opcode.name, argument)
        except ValueError as error:
            raise ValueError(f"{error} (byte {position})") from error
    raise AssertionError("genops ends with STOP or raises")


class _PickleMachine:
    """Stack, marks and memo. Every operation checks what it finds and can only fail by ValueError.

    As in Python's machine, a mark sets the stack aside, so nothing below it can be reached.
    """

    def __init__(self, allowed: Allowlist):
        self.allowed = allowed
        self.stack: list = []
        self.set_aside: list[list] = []
        self.memo: dict[int, object] = {}

    def step(self, opcode: str, argument: object) -> None:
        """Effect of one opcode on stack, marks and memo."""
        if opcode in LITERALS:
            self.stack.append(argument)
        elif opcode in CONSTANTS:
            self.stack.append(CONSTANTS[opcode])
        elif opcode in EMPTY:
            self.stack.append(EMPTY[opcode]())
        elif opcode in TUPLES:
            items = [self.pop() for _ in range(TUPLES[opcode])]
            self.stack.append(tuple(reversed(items)))
        elif opcode in OPERATIONS:
            OPERATIONS[opcode](self, argument)
        else:
            raise ValueError(f"opcode {opcode} is not allowed")

    def stop(self) -> object:
        """Value of the pickle: the only one that may be left."""
        value = self.pop()
        if self.stack or self.set_aside:
            raise ValueError("values are left on its stack")
        return value

    def pop(self) -> object:
        """Value on top of the stack, which goes."""
        if not self.stack:
            raise ValueError("its stack is empty too early")
        return self.stack.pop()

    def pop_to_mark(self) -> list:
        """Values above the last mark; the stack set aside there is back."""
        if not self.set_aside:
            raise ValueError("a mark is missing")
        items, self.stack = self.stack, self.set_aside.pop()
        return items

    def target(self, kind: type[Container]) -> Container:
        """The value on top, which stays; exactly of this type, since subclasses can have tricks."""
        if not self.stack or type(self.stack[-1]) is not kind:
            raise ValueError(f"items are put into what is no {kind.__name__}")
        return self.stack[-1]

    def mark(self, _: object) -> None:
        """A new, empty stack; that of before is set aside."""
        self.set_aside.append(self.stack)
        self.stack = []

    def make_tuple(self, _: object) -> None:
        """Tuple of the values above the mark."""
        items = self.pop_to_mark()
        self.stack.append(tuple(items))

    def append(self, _: object) -> None:
        """One item at the end of a list."""
        item = self.pop()
        self.target(list).append(item)

    def extend(self, _: object) -> None:
        """Items above the mark at the end of a list."""
        items = self.pop_to_mark()
        self.target(list).extend(items)

    def add_items(self, _: object) -> None:
        """Strings above the mark into a set."""
        items = self.pop_to_mark()
        if not all(isinstance(item, str) for item in items):
            raise ValueError("a set has an item that is no string")
        self.target(set).update(items)

    def set_item(self, _: object) -> None:
        """One key and value into a dict."""
        value, key = self.pop(), self.pop()
        self.fill([key, value])

    def set_items(self, _: object) -> None:
        """Keys and values above the mark into a dict."""
        self.fill(self.pop_to_mark())

    def fill(self, items: list) -> None:
        """Keys and values, in turn, into the dict on top."""
        keys, values = items[::2], items[1::2]
        if len(keys) != len(values) or not all(isinstance(key, str | int) for key in keys):
            raise ValueError("a dict has a key that is neither string nor integer, or no value")
        self.target(dict).update(zip(keys, values, strict=True))

    def memoize(self, index: object) -> None:
        """Value on top kept under an index, by default the next one."""
        index = len(self.memo) if index is None else index
        if not self.stack or not isinstance(index, int) or index in self.memo:
            raise ValueError("a place of its memo is written twice, or with nothing")
        self.memo[index] = self.stack[-1]

    def recall(self, index: object) -> None:
        """Value of the memo on the stack."""
        if not isinstance(index, int) or index not in self.memo:
            raise ValueError("a place of its memo is read before it is written")
        self.stack.append(self.memo[index])

    def name(self, argument: object) -> None:
        """Name of a class or function, from the argument."""
        module, _, name = str(argument).partition(" ")  # how genops joins them
        self.push_name((module, name))

    def name_from_stack(self, _: object) -> None:
        """Name of a class or function, from module and name on the stack."""
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name is no string")
        self.push_name((module, name))

    def push_name(self, name: Name) -> None:
        """Allowed name on the stack; a mere token, nothing is imported."""
        if name not in {*self.allowed.calls, *self.allowed.classes, *self.allowed.inert}:
            raise ValueError(f"the name {Global(name)} is not allowed")
        self.stack.append(Global(name))

    def call(self, _: object) -> None:
        """Result of our own function for an allowed name."""
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Global) or function.name not in self.allowed.calls:
            raise ValueError(f"{_short(function)} is called, which is not allowed")
        if not isinstance(arguments, tuple):
            raise ValueError(f"{function} is called with {_short(arguments)}")
        self.stack.append(self.allowed.calls[function.name](arguments))

    def new(self, _: object) -> None:
        """Empty instance of our own class for an allowed name, without arguments."""
        arguments, kind = self.pop(), self.pop()
        if not isinstance(kind, Global) or kind.name not in self.allowed.classes:
            raise ValueError(f"an instance of {_short(kind)} is made, which is not allowed")
        if not isinstance(arguments, tuple) or arguments:
            raise ValueError(f"an instance of {kind} is made with arguments")
        self.stack.append(self.allowed.classes[kind.name]())

    def build(self, _: object) -> None:
        """State handed to the value on top."""
        state = self.pop()
        if not self.stack or not isinstance(self.stack[-1], StatefulValue):
            raise ValueError("a state is given to a value that has none")
        self.stack[-1].build(state)

    def persistent(self, _: object) -> None:
        """Our own value for a persistent id."""
        if self.allowed.persistent is None:
            raise ValueError("opcode BINPERSID is not allowed")
        self.stack.append(self.allowed.persistent(self.pop()))


def _short(value: object) -> str:
    """Kind of a value; never its contents, which can be endless."""
    return str(value) if isinstance(value, Global) else f"a value of type {type(value).__name__}"


OPERATIONS: dict[str, Callable[[_PickleMachine, object], None]] = {
    "MARK": _PickleMachine.mark,
    "TUPLE": _PickleMachine.make_tuple,
    "APPEND": _PickleMachine.append,
    "APPENDS": _PickleMachine.extend,
    "ADDITEMS": _PickleMachine.add_items,
    "SETITEM": _PickleMachine.set_item,
    "SETITEMS": _PickleMachine.set_items,
    "MEMOIZE": _PickleMachine.memoize,
    "BINPUT": _PickleMachine.memoize,
    "LONG_BINPUT": _PickleMachine.memoize,
    "BINGET": _PickleMachine.recall,
    "LONG_BINGET": _PickleMachine.recall,
    "GLOBAL": _PickleMachine.name,
    "STACK_GLOBAL": _PickleMachine.name_from_stack,
    "REDUCE": _PickleMachine.call,
    "NEWOBJ": _PickleMachine.new,
    "BUILD": _PickleMachine.build,
    "BINPERSID": _PickleMachine.persistent,
}
