"""Base of every parameter class."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A frozen group of parameters, unknown keys refused; the line under a field documents it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )
