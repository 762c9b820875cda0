"""The panel beside the picture: every field of the settings as a control."""

from collections.abc import Callable
from typing import Any, get_args

import viser

from tools.view.settings import Panel, ViewSettings

Changed = Callable[[dict[str, Any]], None]


class Controls:
    """Controls of one client; a change is told at once, and can be set from outside."""

    def __init__(
        self,
        gui: viser.GuiApi,
        names: list[str],
        num_ws: int,
        start: ViewSettings,
        changed: Changed,
    ) -> None:
        self._gui, self._changed, self._is_setting = gui, changed, False
        self._handles: dict[str, Any] = {}
        self._options: dict[str, tuple[str, ...]] = {}
        self.info = gui.add_markdown("...")
        with gui.add_folder("Snapshot"):
            self._choice("snapshot", "snapshot", names, names[start.snapshot])
            self._choice("other", "compare with", names, names[start.other])
            self.live = gui.add_checkbox("follow the newest", False, hint="while a training runs")
        with gui.add_folder("Object"):
            self._number("seed", start)
            self.step = gui.add_button_group("seed", ("-1", "+1", "random"))
            self._slider("psi", start, -1.0, 2.0, 0.05, "truncation: 1 is none, 0 the average")
            self._slider("cutoff", start, 0, num_ws, 1, "style vectors truncated; 0 is all")
            self._slider("latent_x", start, -3.0, 3.0, 0.05, "along one random direction of z")
            self._slider("latent_y", start, -3.0, 3.0, 0.05, "along another")
        with gui.add_folder("Interpolate and mix", expand_by_default=False):
            self._number("seed_to", start)
            self._slider("blend", start, 0.0, 1.0, 0.01, "from `seed` to `seed_to`, in w")
            self.play = gui.add_checkbox("play", False)
            self._number("mix_seed", start)
            self._slider("mix_from", start, 0, num_ws, 1, "first style vector taken over; 0: none")
        with gui.add_folder("Picture"):
            self._choice("panel", "panel", list(get_args(Panel)), start.panel)
            self._options_of("conditioning", start, "camera that conditions the generator")
            self.measure_drift = gui.add_checkbox("measure drift", True, hint="at rest")
            self.drift = gui.add_markdown("")
            self._slider("samples_per_ray", start, 0, 192, 4, "of both passes; 0: the model's own")
            self._choice(
                "resolution",
                "resolution at rest",
                ["64", "128", "256", "512", "1024"],
                str(start.resolution),
            )
            self._slider("epi_row", start, 0.0, 1.0, 0.01, "row of panel epi, from the top")
            self._options_of("noise", start, "of the synthesis layers")
            self._options_of("background", start, "around the picture")
        with gui.add_folder("Camera"):
            self._slider("fov_deg", start, 0.0, 60.0, 0.5, "field of view; 0: the scene's")
            self.reset = gui.add_button_group("camera", ("average", "front"))
        with gui.add_folder("Save"):
            self.save = gui.add_button_group("save", ("PNG", "MP4", "GLB"))
            self.link = gui.add_button("Link and command")

    def set(self, settings: ViewSettings) -> None:
        """Shows settings that changed elsewhere, and tells nobody."""
        self._is_setting = True
        try:
            for name, handle in self._handles.items():
                value = getattr(settings, name)
                options = self._options.get(name)
                if name in ("snapshot", "other") and options:
                    value = options[min(value, len(options) - 1)]
                elif name == "resolution":
                    value = str(value)
                if handle.value != value:
                    handle.value = value
        finally:
            self._is_setting = False

    def _tell(self, name: str, value: Any) -> None:
        if not self._is_setting:
            self._changed({name: value})

    def _keep(self, name: str, handle: Any, read: Callable[[Any], Any]) -> None:
        self._handles[name] = handle
        handle.on_update(lambda _: self._tell(name, read(handle.value)))

    def _number(self, name: str, start: ViewSettings) -> None:
        label = name.replace("_", " ")
        handle = self._gui.add_number(label, getattr(start, name), min=0, max=2**31 - 1, step=1)
        self._keep(name, handle, int)

    def _slider(
        self, name: str, start: ViewSettings, low: float, high: float, step: float, hint: str
    ) -> None:
        value = getattr(start, name)
        label = name.replace("_", " ")
        handle = self._gui.add_slider(label, low, high, step, min(max(value, low), high), hint=hint)
        self._keep(name, handle, type(value))

    def _options_of(self, name: str, start: ViewSettings, hint: str) -> None:
        options = get_args(ViewSettings.model_fields[name].annotation)
        handle = self._gui.add_dropdown(
            name, options, initial_value=getattr(start, name), hint=hint
        )
        self._keep(name, handle, str)

    def _choice(self, name: str, label: str, options: list[str], value: str) -> None:
        handle = self._gui.add_dropdown(label, tuple(options), initial_value=value)
        self._options[name] = tuple(options)
        by_place = name in ("snapshot", "other")
        self._keep(
            name,
            handle,
            options.index if by_place else int if name == "resolution" else str,
        )
