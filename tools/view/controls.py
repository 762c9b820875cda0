"""The panel beside the picture: a control for every field of the settings, made from its type."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin

import viser

from tools.view.settings import ViewSettings

FOLDERS: dict[str, tuple[str, ...]] = {
    "Snapshot": ("snapshot", "compare", "follow"),
    "Object": ("seed", "psi"),
    "Picture": ("panel", "resolution", "samples_per_ray", "epi_row", "noise", "background"),
    "Camera": ("fov_deg", "image"),
    "Latent space": (
        "cutoff", "latent_x", "latent_y", "seed_to", "blend", "play", "mix_seed", "mix_from",
        "mix_to",
    ),
    "Directions of w": ("directions", "along_1", "along_2", "along_3", "along_4"),
    "Conditioning": ("conditioning", "condition_yaw", "condition_pitch", "drift"),
    "Save": (),
}  # fmt: skip
CLOSED = ("Latent space", "Directions of w", "Conditioning")
BUTTONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "Object": (("-1", "+1", "random"),),
    "Camera": (("front", "average"),),
    "Save": (("PNG", "orbit MP4"), ("mesh GLB", "splats PLY"), ("link and command",)),
}
NONE = "none"  # shown for an empty name
STEP = 0.01  # of numbers that are not whole


class Controls:
    """Controls of one client: changes are told at once, and can be shown from outside."""

    def __init__(
        self, gui: viser.GuiApi, settings: ViewSettings, names: Mapping[str, tuple[str, ...]],
        counts: Mapping[str, int], changed: Callable[[dict[str, Any]], None],
        pressed: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Builds the panel; `names` are to choose from, `counts` are ends of whole numbers."""
        self._gui, self._settings, self._changed = gui, settings, changed
        self._handles: dict[str, Any] = {}
        self._options = dict(names)
        self._counts = dict(counts)
        self.info = gui.add_markdown("...")
        for title, fields in FOLDERS.items():
            with gui.add_folder(title, expand_by_default=title not in CLOSED):
                for name in fields:
                    self._handles[name] = self._add(name, getattr(settings, name))
                    self._listen(name)
                for labels in BUTTONS.get(title, ()):
                    buttons = gui.add_button_group("", labels)
                    buttons.on_click(lambda event: pressed(event.target.value))
                if title == "Conditioning":
                    self.drift = gui.add_markdown("")
        self.saved = gui.add_markdown("")

    def show(self, settings: ViewSettings) -> None:
        """Shows settings that changed elsewhere, and tells nobody."""
        self._settings = settings
        for name, handle in self._handles.items():
            value = self._to_shown(name, getattr(settings, name))
            if handle.value != value:
                handle.value = value

    def offer(self, names: Mapping[str, tuple[str, ...]], counts: Mapping[str, int]) -> None:
        """Offers these names, and whole numbers up to these."""
        self._options, self._counts = dict(names), dict(counts)
        for name, options in names.items():
            self._handles[name].options = [option or NONE for option in options]
        for name, count in counts.items():
            self._handles[name].max = count

    def _add(self, name: str, value: Any) -> Any:
        field = ViewSettings.model_fields[name]
        label, hint = field.title or name.replace("_", " "), field.description
        kind = field.annotation
        if name in self._options or get_origin(kind) is Literal:
            options = [option or NONE for option in self._options.get(name, get_args(kind))]
            return self._gui.add_dropdown(label, options, initial_value=value or NONE, hint=hint)
        if kind is bool:
            return self._gui.add_checkbox(label, value, hint=hint)
        rules = {type(rule).__name__: rule for rule in field.metadata}
        low = rules["Ge"].ge
        high = self._counts.get(name, rules["Le"].le if "Le" in rules else None)
        step = rules["MultipleOf"].multiple_of if "MultipleOf" in rules else 1
        step = STEP if kind is float else step
        if high is None:
            return self._gui.add_number(label, value, min=low, step=step, hint=hint)
        return self._gui.add_slider(label, low, high, step, min(value, high), hint=hint)

    def _listen(self, name: str) -> None:
        handle = self._handles[name]

        async def tell(_: Any) -> None:  # in the server's loop, so that changes keep their order
            kind = ViewSettings.model_fields[name].annotation
            value = handle.value if handle.value != NONE or name == "noise" else ""
            value = kind(value) if kind in (int, float) else value
            if value != getattr(self._settings, name):
                self._changed({name: value})

        handle.on_update(tell)

    def _to_shown(self, name: str, value: Any) -> Any:
        value = value or NONE if name in self._options else value
        return min(value, self._counts[name]) if name in self._counts else value
