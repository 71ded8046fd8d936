"""Findings as PNG: a panel per locus, points, fits, what was found, and the verdict over it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from labd.calibrate.recipe import Told
from labd.calibrate.values import Finding, Grade, Picture

_COLOURS = {Grade.GOOD: "C2", Grade.DOUBTFUL: "C1", Grade.BAD: "C3"}
_WIDTH_IN, _HEIGHT_IN = 4.4, 3.4
_MOST_COLUMNS = 3
_LONGEST_LINE = 62


def save_findings(step: Told, folder: Path) -> Path:
    """``03-amplitude-rabi.png`` in the folder."""
    slug = re.sub(r"[^a-z0-9]+", "-", f"{step.part} {step.title}".lower()).strip("-")
    path = folder / f"{step.number:02d}-{slug}.png"
    save_figure([*step.findings], f"{step.part}: {step.title}", path)
    return path


def save_figure(findings: list[Finding], title: str, path: Path) -> None:
    """All findings in one figure."""
    n_columns = max(1, min(_MOST_COLUMNS, len(findings)))
    n_rows = max(1, math.ceil(len(findings) / n_columns))
    figure = Figure(figsize=(_WIDTH_IN * n_columns, _HEIGHT_IN * n_rows))
    figure.subplots_adjust(**_margins(n_columns, n_rows))
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    for number, finding in enumerate(findings, start=1):
        _draw(figure.add_subplot(n_rows, n_columns, number), finding)
    figure.savefig(path, format="png", dpi=110)


def _margins(n_columns: int, n_rows: int) -> dict[str, float]:
    """Room for labels, in parts of the figure: laid out by hand, which is four times as fast."""
    width, height = _WIDTH_IN * n_columns, _HEIGHT_IN * n_rows
    return {
        "left": 0.6 / width,
        "right": 1.0 - 0.15 / width,
        "bottom": 0.5 / height,
        "top": 1.0 - 0.75 / height,
        "wspace": 0.75 / (_WIDTH_IN - 0.75),
        "hspace": 1.1 / (_HEIGHT_IN - 1.1),
    }


def _draw(axes: Axes, finding: Finding) -> None:
    picture, verdict = finding.picture, finding.verdict
    reason = _folded(f"{finding.locus}: {verdict.reason}")
    axes.set_title(reason, fontsize=7, color=_COLOURS[verdict.grade], loc="left")
    _draw_lines(axes, picture)
    for mark in picture.marks:
        axes.axvline(mark, color="0.6", linewidth=0.8, linestyle="--")
    axes.set_xlabel(picture.x_label, fontsize=8)
    axes.set_ylabel(picture.y_label, fontsize=8)
    axes.tick_params(labelsize=7)
    if picture.is_plane:
        axes.set_aspect("equal", adjustable="datalim")
    if any(line.name for line in picture.lines):
        axes.legend(fontsize=7)


def _draw_lines(axes: Axes, picture: Picture) -> None:
    colour = -1
    for line in picture.lines:
        if not line.is_fit:
            colour += 1
            size, alpha = (2.0, 0.4) if picture.is_plane else (3.5, 1.0)
            axes.plot(
                line.x,
                line.y,
                "o",
                color=f"C{colour % 10}",
                markersize=size,
                alpha=alpha,
                label=line.name,
                markeredgewidth=0,
            )
        elif np.isfinite(line.y).all():
            shade = "0.2" if picture.is_plane else f"C{colour % 10}"
            axes.plot(line.x, line.y, "-", color=shade, linewidth=1.0)


def _folded(text: str) -> str:
    """Lines of a title."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > _LONGEST_LINE:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:4])
