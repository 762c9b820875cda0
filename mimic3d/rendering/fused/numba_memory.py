"""Memory as numba's kernels see it: addresses, and loads and stores that LLVM can vectorise.

Arrays passed between compiled functions cost atomic reference counts and signed index checks, so
kernels pass addresses (int64, bytes). LLVM then no longer knows which addresses overlap and would
check at every short loop: each load and store therefore names the region it belongs to, and regions
never overlap (LLVM's alias scopes). A piece of memory must always be named by the same region.
"""

from llvmlite import ir
from numba import types

from mimic3d.rendering.fused.numba_compile import instruction

FLOAT = ir.FloatType()
INT = ir.IntType(32)
LONG = ir.IntType(64)
REGIONS = ("input", "block", "ray", "weight", "sum")


def _float_at(builder: ir.IRBuilder, address: ir.Value, index: ir.Value) -> ir.Value:
    return builder.gep(builder.inttoptr(address, FLOAT.as_pointer()), [index])


def _in_region(builder: ir.IRBuilder, access: ir.Instruction, region: str) -> ir.Instruction:
    module = builder.module
    domain = module.add_metadata(["mimic3d"])
    scopes = {name: module.add_metadata([f"mimic3d.{name}", domain]) for name in REGIONS}
    access.set_metadata("alias.scope", module.add_metadata([scopes[region]]))
    others = [scope for name, scope in scopes.items() if name != region]
    access.set_metadata("noalias", module.add_metadata(others))
    return access


def _loader(region: str):
    @instruction
    def load(context, address, index):
        def emit(context, builder, signature, args):
            return _in_region(builder, builder.load(_float_at(builder, *args), align=4), region)

        return types.float32(types.int64, types.int64), emit

    return load


def _storer(region: str):
    @instruction
    def store(context, address, index, value):
        def emit(context, builder, signature, args):
            place = _float_at(builder, args[0], args[1])
            _in_region(builder, builder.store(args[2], place, align=4), region)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.float32), emit

    return store


load_input, store_input = _loader("input"), _storer("input")
load_block, store_block = _loader("block"), _storer("block")
load_ray, store_ray = _loader("ray"), _storer("ray")
load_weight, store_weight = _loader("weight"), _storer("weight")
load_sum, store_sum = _loader("sum"), _storer("sum")


@instruction
def load_long(context, address, index):
    """An int64 at an address."""

    def emit(context, builder, signature, args):
        return builder.load(builder.gep(builder.inttoptr(args[0], LONG.as_pointer()), [args[1]]))

    return types.int64(types.int64, types.int64), emit


@instruction
def fma(context, x, y, z):
    """X * y + z, rounded once."""

    def emit(context, builder, signature, args):
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), emit


@instruction
def divide(context, x, y):
    """X / y, without the check for zero that Python's division makes."""

    def emit(context, builder, signature, args):
        return builder.fdiv(*args)

    return types.float32(types.float32, types.float32), emit


@instruction
def truncate(context, x):
    """The integer part, as int32."""

    def emit(context, builder, signature, args):
        return builder.fptosi(args[0], INT)

    return types.int32(types.float32), emit


@instruction
def to_float(context, x):
    """An int32 as float32."""

    def emit(context, builder, signature, args):
        return builder.sitofp(args[0], FLOAT)

    return types.float32(types.int32), emit


@instruction
def scale_by_power(context, x, n):
    """X * 2^n, by adding n to the exponent of a number that stays normal."""

    def emit(context, builder, signature, args):
        bits = builder.bitcast(args[0], INT)
        shifted = builder.shl(args[1], ir.Constant(INT, 23))
        return builder.bitcast(builder.add(bits, shifted), FLOAT)

    return types.float32(types.float32, types.int32), emit
