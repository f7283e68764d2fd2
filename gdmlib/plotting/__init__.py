"""Pictures in one house style: image grids, densities, classes, curves, small animations, sounds.

Every helper draws into the ``ax`` it is given, or into a new figure, and returns the
:class:`matplotlib.axes.Axes`. None of them calls ``plt.show()``: in a notebook the last line of the
cell does. Pictures sit on a white card, so that they read alike on a light and on a dark page;
colours are those of Okabe and Ito, which people with any common colour blindness can tell apart;
and classes differ by marker as well as by colour.
"""

from gdmlib.plotting._animation import Animation, animate
from gdmlib.plotting._charts import scatter, training_curves
from gdmlib.plotting._densities import covariance_ellipse, density_contours, density_curve
from gdmlib.plotting._diagram import Diagram
from gdmlib.plotting._images import image_grid, receptive_field
from gdmlib.plotting._sound import Players
from gdmlib.plotting._style import COLOURS, MARKERS, style

__all__ = [
    "COLOURS",
    "MARKERS",
    "Animation",
    "Diagram",
    "Players",
    "animate",
    "covariance_ellipse",
    "density_contours",
    "density_curve",
    "image_grid",
    "receptive_field",
    "scatter",
    "style",
    "training_curves",
]
