"""How our pages look: one style, figures in its colours, quantities as a reader wants them.

Ground floor: imports conduct of ours.
"""
