// A panel of a moving figure: axes, and what is drawn in them. It is an SVG as wide as its place, so that words keep
// their size on every screen and lines take the colours of the page.
"use strict";

class GdmPanel {
  // Axes of `x` and `y` ([low, high] each); `draw(panel)` fills them, at first and whenever something has changed.
  constructor(place, { label, x, y, ratio = 0.75, names = ["", ""], ticks = [true, true], draw }) {
    Object.assign(this, { x, y, ratio, names, ticks, draw, handles: [] });
    const { shape } = gdmKit;
    this.svg = shape("svg", { class: "gdm-panel", role: "img", "aria-label": label });
    this.back = shape("g");
    this.inner = shape("svg"); // an inner drawing clips what leaves the axes
    this.front = shape("g");
    this.svg.append(this.back, this.inner, this.front);
    place.append(this.svg);
    new ResizeObserver(() => this.resize()).observe(this.svg);
  }

  resize() {
    const width = Math.round(this.svg.getBoundingClientRect().width);
    if (width < 60 || width === this.width) return;
    this.width = width;
    this.height = Math.round(width * this.ratio);
    this.left = this.ticks[1] ? 46 : 14;
    this.bottom = this.height - (this.names[0] ? 44 : this.ticks[0] ? 26 : 12);
    this.right = width - 12;
    this.top = this.names[1] ? 26 : 10;
    this.svg.setAttribute("height", this.height);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
    const [w, h] = [this.right - this.left, this.bottom - this.top];
    const box = { x: this.left, y: this.top, width: w, height: h, viewBox: `${this.left} ${this.top} ${w} ${h}` };
    for (const key in box) this.inner.setAttribute(key, box[key]);
    this.update();
  }

  update() {
    if (!this.width) return;
    this.back.replaceChildren();
    this.inner.replaceChildren();
    this.axes();
    this.draw(this);
  }

  X(v) {
    return this.left + ((v - this.x[0]) / (this.x[1] - this.x[0])) * (this.right - this.left);
  }

  Y(v) {
    return this.bottom - ((v - this.y[0]) / (this.y[1] - this.y[0])) * (this.bottom - this.top);
  }

  axes() {
    const { ticks, show } = gdmKit;
    const text = (x, y, words, anchor, kind = "tick") => this.words(this.back, x, y, words, anchor, kind);
    const frame = `M${this.left} ${this.top}V${this.bottom}H${this.right}`;
    this.back.append(gdmKit.shape("path", { d: frame, class: "gdm-axis" }));
    if (this.ticks[0])
      for (const [v, d] of ticks(this.x, (this.right - this.left) / 60))
        text(this.X(v), this.bottom + 16, show(v, d), "middle");
    if (this.ticks[1])
      for (const [v, d] of ticks(this.y, (this.bottom - this.top) / 40))
        text(this.left - 6, this.Y(v) + 4, show(v, d), "end");
    if (this.names[0]) text((this.left + this.right) / 2, this.height - 8, this.names[0], "middle", "name");
    if (this.names[1]) text(4, 15, this.names[1], "start", "name");
  }

  words(group, x, y, words, anchor, kind) {
    const text = gdmKit.shape("text", { x, y, "text-anchor": anchor, class: `gdm-${kind}` });
    text.textContent = words;
    group.append(text);
  }

  text(x, y, words, anchor = "start") {
    this.words(this.inner, this.X(x), this.Y(y), words, anchor, "note");
  }

  path(d, kind) {
    this.inner.append(gdmKit.shape("path", { d, class: kind }));
  }

  at([x, y]) {
    return `${this.X(x).toFixed(1)} ${this.Y(y).toFixed(1)}`;
  }

  line(points, kind) {
    const seen = points.filter((p) => p.every((v) => Math.abs(v) < 1e6));
    if (seen.length) this.path("M" + seen.map((p) => this.at(p)).join("L"), kind);
  }

  segments(pairs, kind) {
    this.path(pairs.map(([a, b]) => `M${this.at(a)}L${this.at(b)}`).join(""), kind);
  }

  // Arrows from points by (u, v) in the units of the axes, all in one element.
  arrows(field, kind = "gdm-arrow") {
    const head = Math.PI - 0.5;
    const pairs = field.flatMap(([[a, b], [u, v]]) => {
      const end = [a + u, b + v];
      const barb = (turn) => {
        const [c, s] = [Math.cos(turn) / 3, Math.sin(turn) / 3];
        return [end, [end[0] + c * u - s * v, end[1] + s * u + c * v]];
      };
      return [[[a, b], end], barb(head), barb(-head)];
    });
    this.segments(pairs, kind);
  }

  // Round ends of strokes without length are dots: one element for any number of them.
  dots(points, kind) {
    this.path(points.map((p) => `M${this.at(p)}h0`).join(""), `gdm-dots ${kind}`);
  }

  curve(f, kind, [low, high] = this.x, n = 200) {
    const points = gdmKit.range(low, high, n).map((x) => [x, f(x)]);
    this.line(points, kind);
  }

  area(f, kind, [low, high] = this.x, n = 200) {
    const points = gdmKit.range(low, high, n).map((x) => [x, f(x)]);
    this.line([[low, 0], ...points, [high, 0]], kind);
  }

  // Lines where f has one of the levels, by linear interpolation in the triangles of a grid.
  contours(f, levels, kind, n = 40) {
    const xs = gdmKit.range(...this.x, n), ys = gdmKit.range(...this.y, n);
    const values = xs.map((x) => ys.map((y) => f(x, y)));
    const pairs = [];
    const triangle = (corners, level) => {
      const cuts = [];
      corners.forEach(([i, j], k) => {
        const [p, q] = corners[(k + 1) % 3];
        const a = values[i][j] - level, b = values[p][q] - level;
        if (a < 0 === b < 0) return;
        const share = a / (a - b);
        cuts.push([xs[i] + share * (xs[p] - xs[i]), ys[j] + share * (ys[q] - ys[j])]);
      });
      if (cuts.length === 2) pairs.push(cuts);
    };
    for (const level of levels)
      for (let i = 0; i + 1 < n; i++)
        for (let j = 0; j + 1 < n; j++) {
          triangle([[i, j], [i + 1, j], [i + 1, j + 1]], level);
          triangle([[i, j], [i, j + 1], [i + 1, j + 1]], level);
        }
    this.segments(pairs, kind);
  }

  // A point to drag with mouse, pen or finger; `move(x, y)` says where to. Keys use the sliders instead.
  handle(move, kind = "") {
    const circle = gdmKit.shape("circle", { r: 8, class: `gdm-handle ${kind}` });
    const grip = gdmKit.shape("circle", { r: 22, class: "gdm-grip" });
    const drag = (event) => {
      const box = this.svg.getBoundingClientRect();
      const within = (v, [low, high]) => Math.min(Math.max(v, low), high);
      const x = (event.clientX - box.left - this.left) / (this.right - this.left);
      const y = (this.bottom + box.top - event.clientY) / (this.bottom - this.top);
      move(
        within(this.x[0] + x * (this.x[1] - this.x[0]), this.x),
        within(this.y[0] + y * (this.y[1] - this.y[0]), this.y),
      );
    };
    grip.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      grip.setPointerCapture(event.pointerId);
      grip.onpointermove = drag;
    });
    for (const end of ["pointerup", "pointercancel"])
      grip.addEventListener(end, () => (grip.onpointermove = null));
    this.front.append(circle, grip);
    return (x, y) => {
      for (const part of [circle, grip]) {
        part.setAttribute("cx", this.X(x));
        part.setAttribute("cy", this.Y(y));
      }
    };
  }
}
