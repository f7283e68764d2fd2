// Coupling layers bend a grid, and say by how much they stretch it.
"use strict";

gdmDemo("coupling", () => {
  const LIMIT = 2; // of a log-scale, as in gdmlib
  const LOG_2PI = Math.log(2 * Math.PI);

  const maths = {
    // What stands in for the network of layer k: two smooth functions of the half that is kept. The log-scale s is
    // bounded by a tanh (RealNVP), the shift t is not.
    steer(k, kept, scale, shift) {
      const raw = scale * Math.sin(1.5 * kept + 0.5 * k);
      return [LIMIT * Math.tanh(raw), shift * Math.sin(2 * kept + k)];
    },

    // From x to z through the first `layers` layers (10.4): the point, and log |det ∂z/∂x|, the sum of all s.
    forward(x, layers, scale, shift) {
      const z = [...x];
      let logDet = 0;
      for (let k = 0; k < layers; k++) {
        const kept = k % 2, moved = 1 - kept;
        const [s, t] = maths.steer(k, z[kept], scale, shift);
        z[moved] = z[moved] * Math.exp(s) + t;
        logDet += s;
      }
      return { z, logDet };
    },

    // And back (10.5): the same functions, the layers in the other order.
    inverse(z, layers, scale, shift) {
      const x = [...z];
      for (let k = layers - 1; k >= 0; k--) {
        const kept = k % 2, moved = 1 - kept;
        const [s, t] = maths.steer(k, x[kept], scale, shift);
        x[moved] = (x[moved] - t) * Math.exp(-s);
      }
      return x;
    },

    // The density of x if z is standard normal, in nats.
    logProb(x, layers, scale, shift) {
      const { z, logDet } = maths.forward(x, layers, scale, shift);
      return -0.5 * (z[0] ** 2 + z[1] ** 2) - LOG_2PI + logDet;
    },
  };

  const LIMITS = [-3, 3], HALF = 0.25, CELLS = 24, SHADES = 4;

  function build(place, kit) {
    const map = (x) => maths.forward(x, layers.value, scale.value, shift.value);
    const point = () => [first.value, second.value];
    const lines = kit.range(...LIMITS, 13);

    // Blue where areas shrink, orange where they grow; a path for each shade.
    function shade(p, to) {
      const paths = {}, size = (LIMITS[1] - LIMITS[0]) / CELLS;
      for (let i = 0; i < CELLS; i++)
        for (let j = 0; j < CELLS; j++) {
          const [a, b] = [LIMITS[0] + i * size, LIMITS[0] + j * size];
          const change = map([a + size / 2, b + size / 2]).logDet;
          const level = Math.min(SHADES, Math.round((Math.abs(change) / LIMIT) * SHADES));
          if (!level) continue;
          const corners = [[a, b], [a + size, b], [a + size, b + size], [a, b + size]].map(to);
          (paths[`gdm-cell ${change < 0 ? "a" : "b"} shade-${level}`] ??= []).push("M" + corners.map((c) => p.at(c)).join("L") + "Z");
        }
      for (const look in paths) p.path(paths[look].join(""), look);
    }

    function grid(p, to) {
      shade(p, to);
      const fine = kit.range(...LIMITS, 80);
      for (const v of lines) {
        p.line(fine.map((w) => to([v, w])), "gdm-thin");
        p.line(fine.map((w) => to([w, v])), "gdm-thin");
      }
      const [a, b] = point(), side = kit.range(-HALF, HALF, 12);
      const square = [
        ...side.map((v) => [a + v, b - HALF]),
        ...side.map((v) => [a + HALF, b + v]),
        ...side.map((v) => [a - v, b + HALF]),
        ...side.map((v) => [a - HALF, b - v]),
      ];
      p.line(square.map(to), "gdm-fill c strong edged");
    }

    const [left, right] = kit.panels(
      place,
      {
        label: "A square grid in the plane of x, with a small square at a point that can be moved.",
        x: LIMITS,
        y: LIMITS,
        ratio: 1,
        names: ["x₁", "x₂"],
        draw(p) {
          grid(p, (x) => x);
          here(...point());
        },
      },
      {
        label: "The same grid after the coupling layers, in the plane of z: vertical lines slide and stretch, then horizontal ones.",
        x: [-4, 4],
        y: [-4, 4],
        ratio: 1,
        names: ["z₁", "z₂"],
        draw(p) {
          grid(p, (x) => map(x).z);
          there(...map(point()).z);
        },
      },
    );
    kit.legend(place, ["gdm-line c", "the small square"], ["gdm-line b", "area grows"], ["gdm-line a", "area shrinks"]);
    const read = kit.reading(place);
    const here = left.handle(set);
    const there = right.handle((a, b) => set(...maths.inverse([a, b], layers.value, scale.value, shift.value)), "second");

    const sliders = kit.controls(place);
    const layers = kit.slider(sliders, { words: "layers", low: 0, high: 4, step: 1, value: 1, digits: 0, changed: update });
    const scale = kit.slider(sliders, { words: "scale", low: -1, high: 1, value: 0.4, changed: update });
    const shift = kit.slider(sliders, { words: "shift", low: -1.5, high: 1.5, value: 0.6, changed: update });
    const first = kit.slider(sliders, { words: "x₁", low: -3, high: 3, value: 1, changed: update });
    const second = kit.slider(sliders, { words: "x₂", low: -3, high: 3, value: 1, changed: update });

    function set(a, b) {
      first.value = a;
      second.value = b;
      update();
    }

    function update() {
      left.update();
      right.update();
      const { z, logDet } = map(point());
      const back = maths.inverse(z, layers.value, scale.value, shift.value);
      const error = Math.max(...back.map((v, i) => Math.abs(v - point()[i])));
      read([
        ["z", `(${kit.show(z[0], 3)}, ${kit.show(z[1], 3)})`],
        ["log |det ∂z/∂x|", kit.show(logDet, 4)],
        ["areas here times", kit.show(Math.exp(logDet), 3)],
        ["log p(x)", `${kit.show(maths.logProb(point(), layers.value, scale.value, shift.value), 4)} nats`],
        ["there and back", error < 1e-12 ? "exact" : `off by ${error.toExponential(0)}`],
      ]);
    }
    update();
  }

  return { maths, build };
});
