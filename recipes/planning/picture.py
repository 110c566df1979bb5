"""A plan as a picture: memory of one GPU, stacked by part, of the recipe's layout and of those that were found. SVG."""

from html import escape

from recipes.planning.memory import GIB, Memory
from recipes.planning.plan import Plan, precision_name
from recipes.planning.text import LABELS, layout_text

# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = {
    "weights": "#0072B2",
    "gradients": "#56B4E9",
    "optimizer": "#009E73",
    "activations": "#E69F00",
    "logits": "#CC79A7",
    "workspace": "#D55E00",
    "reserve": "#BBBBBB",
}
WIDTH, MARGIN, TOP, BAR, STEP = 860, 24, 96, 26, 62
FONT = "font-family='Helvetica, Arial, sans-serif'"


def plan_picture(plan: Plan) -> str:
    """The picture as the text of an SVG file."""
    bars = _bars(plan)
    most = max([plan.config.hardware.memory_gib, *(memory.total / GIB for _, memory in bars)])
    scale = (WIDTH - 2 * MARGIN - 60) / most  # pixels of a GiB
    height = TOP + STEP * len(bars) + 64
    capacity = MARGIN + plan.config.hardware.memory_gib * scale
    machine = plan.config.hardware
    title = f"{plan.recipe} on {plan.gpus} x {machine.gpu}, {precision_name(plan.config)}: memory of one GPU"
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' {FONT} font-size='13'>",
        f"<rect width='{WIDTH}' height='{height}' fill='white'/>",
        f"<text x='{MARGIN}' y='32' font-size='17' font-weight='bold'>{escape(title)}</text>",
        *_legend(),
        *(line for number, bar in enumerate(bars) for line in _bar(*bar, y=TOP + STEP * number, scale=scale)),
        f"<line x1='{capacity:.1f}' x2='{capacity:.1f}' y1='{TOP}' y2='{height - 44}' "
        "stroke='#CC0000' stroke-width='2' stroke-dasharray='6 4'/>",
        f"<text x='{capacity:.1f}' y='{height - 26}' text-anchor='end' fill='#CC0000'>"
        f"{machine.memory_gib:.1f} GiB of the {escape(machine.gpu)}</text>",
        f"<text x='{MARGIN}' y='{height - 10}' font-size='11' fill='#555555'>By arithmetic, not measured.</text>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _bars(plan: Plan) -> list[tuple[str, Memory]]:
    own = [(f"recipe: {layout_text(plan.config)}", plan.memory)] if plan.memory else []
    shown = {layout_text(plan.config)} if plan.memory else set()
    others: list[tuple[str, Memory]] = []
    for one in plan.candidates:
        text = layout_text(one.config)
        if text not in shown and len(others) < 3:
            others.append((f"found: {text}", one.memory))
    return [*own, *others]


def _legend() -> list[str]:
    lines, x = [], float(MARGIN)
    for name, label in LABELS.items():
        lines.append(f"<rect x='{x:.1f}' y='52' width='12' height='12' fill='{COLOURS[name]}'/>")
        lines.append(f"<text x='{x + 17:.1f}' y='63' font-size='12'>{label}</text>")
        x += 36 + 6.2 * len(label)
    return lines


def _bar(label: str, memory: Memory, *, y: int, scale: float) -> list[str]:
    lines, x = [f"<text x='{MARGIN}' y='{y + 12}'>{escape(label)}</text>"], float(MARGIN)
    for name, colour in COLOURS.items():
        value = getattr(memory, name) / GIB
        lines.append(
            f"<rect x='{x:.1f}' y='{y + 18}' width='{value * scale:.1f}' height='{BAR}' fill='{colour}'>"
            f"<title>{LABELS[name]}: {value:.2f} GiB</title></rect>"
        )
        x += value * scale
    lines.append(f"<text x='{x + 6:.1f}' y='{y + 36}' font-weight='bold'>{memory.total / GIB:.1f}</text>")
    return lines
