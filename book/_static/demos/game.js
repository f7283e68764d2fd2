// The game min over x, max over y of x y, and what each rule of moving makes of it.
"use strict";

gdmDemo("game", () => {
  const add = ([a, b], [c, d]) => [a + c, b + d];
  const times = ([a, b], [c, d]) => [a * c - b * d, a * d + b * c]; // complex numbers are pairs
  const over = ([a, b], [c, d]) => [(a * c + b * d) / (c * c + d * d), (b * c - a * d) / (c * c + d * d)];
  const KEPT = [0.9, 0.999], EPS = 1e-8; // of Adam

  const maths = {
    // Where both want to go: the first descends on x y, the second on -x y.
    field: ([x, y]) => [-y, x],

    start: (point) => ({ point, before: point, mean: [0, 0], square: [0, 0], count: 0 }),

    // One step of a rule; `extra` is the weight γ of consensus, or the momentum β.
    step(rule, h, extra, state) {
      const { point: z, before } = state, v = maths.field(z);
      const to = (direction, size = h) => z.map((p, i) => p + size * direction[i]);
      const next = (point) => ({ ...state, point, before: z });
      switch (rule) {
        case "simultaneous":
          return next(to(v));
        case "alternating": {
          const x = z[0] + h * v[0];
          return next([x, z[1] + h * maths.field([x, z[1]])[1]]);
        }
        case "extragradient":
          return next(to(maths.field(to(v))));
        case "optimistic": {
          const last = maths.field(before);
          return next(z.map((p, i) => p + 2 * h * v[i] - h * last[i]));
        }
        case "consensus": // the slope of half the squared length of the field, (x² + y²) / 2, is the point itself
          return next(z.map((p, i) => p + h * (v[i] - extra * p)));
        case "proximal": // solves θ' = θ + h v(θ')
          return next([(z[0] - h * z[1]) / (1 + h * h), (z[1] + h * z[0]) / (1 + h * h)]);
        case "momentum":
          return next(z.map((p, i) => p + h * v[i] + extra * (p - before[i])));
        case "momentum in turn": {
          const x = z[0] + h * v[0] + extra * (z[0] - before[0]);
          return next([x, z[1] + h * maths.field([x, z[1]])[1] + extra * (z[1] - before[1])]);
        }
        default:
          return maths.adam(h, state, rule === "Adam in turn");
      }
    },

    adam(h, state, inTurn) {
      const count = state.count + 1, point = [...state.point], mean = [...state.mean], square = [...state.square];
      const start = maths.field(point);
      for (const i of [0, 1]) {
        const v = inTurn ? maths.field(point)[i] : start[i];
        mean[i] = KEPT[0] * mean[i] + (1 - KEPT[0]) * v;
        square[i] = KEPT[1] * square[i] + (1 - KEPT[1]) * v * v;
        const scale = Math.sqrt(square[i] / (1 - KEPT[1] ** count)) + EPS;
        point[i] += (h * mean[i]) / (1 - KEPT[0] ** count) / scale;
      }
      return { point, before: state.point, mean, square, count };
    },

    run(rule, h, extra, start, steps) {
      const path = [start];
      for (let t = 0, state = maths.start(start); t < steps; t++) {
        state = maths.step(rule, h, extra, state);
        path.push(state.point);
      }
      return path;
    },

    // The polynomial whose roots are the eigenvalues of a step, where the field's is i; highest power first.
    polynomial(rule, h, extra) {
      const one = [1, 0], b = extra;
      switch (rule) {
        case "simultaneous":
          return [one, [-1, -h]];
        case "alternating":
          return [one, [h * h - 2, 0], one];
        case "extragradient":
          return [one, [h * h - 1, -h]];
        case "optimistic":
          return [one, [-1, -2 * h], [0, h]];
        case "consensus":
          return [one, [h * extra - 1, -h]];
        case "proximal":
          return [[1, -h], [-1, 0]];
        case "momentum":
          return [one, [-1 - b, -h], [b, 0]];
        case "momentum in turn": // (λ - 1)² (λ - β)² + h² λ³
          return [1, h * h - 2 * (1 + b), (1 + b) ** 2 + 2 * b, -2 * b * (1 + b), b * b].map((v) => [v, 0]);
        default:
          return null;
      }
    },

    // All roots at once, each pushed away by the others (Durand and Kerner).
    roots(coefficients) {
      const [first, ...rest] = coefficients, monic = rest.map((c) => over(c, first));
      let roots = monic.map((_, k) => [Math.cos(0.4 + 2.4 * k), Math.sin(0.4 + 2.4 * k)].map((v) => v * 0.9 ** k));
      for (let n = 0; n < 300; n++)
        roots = roots.map((root, k) => {
          let value = [1, 0], others = [1, 0];
          for (const c of monic) value = add(times(value, root), c);
          roots.forEach((other, j) => j !== k && (others = times(others, [root[0] - other[0], root[1] - other[1]])));
          if (!others[0] && !others[1]) return root;
          const change = over(value, others);
          return [root[0] - change[0], root[1] - change[1]];
        });
      return roots;
    },

    // By how much a step multiplies the distance from the equilibrium, in the long run; null where it has no such number.
    factor(rule, h, extra) {
      const polynomial = maths.polynomial(rule, h, extra);
      return polynomial && Math.max(...maths.roots(polynomial).map((r) => Math.hypot(...r)));
    },
  };

  const RULES = ["simultaneous", "alternating", "extragradient", "optimistic", "consensus", "proximal", "momentum",
    "momentum in turn", "Adam", "Adam in turn"];
  const MOST = 300;

  function verdict(factor) {
    if (factor === null) return "no factor: its step has no derivative at the equilibrium";
    if (factor < 1 - 1e-6) return "arrives";
    return factor > 1 + 1e-6 ? "flies apart" : "neither arrives nor leaves";
  }

  function build(place, kit) {
    const has = { consensus: "weight γ", momentum: "momentum β", "momentum in turn": "momentum β" };
    let path;

    const [left, right] = kit.panels(
      place,
      {
        label: "The plane of x and y with the field of the game, which turns about the origin, and the path of the players.",
        x: [-3, 3],
        y: [-3, 3],
        ratio: 1,
        names: ["x, which pays x y", "y, which pays −x y"],
        draw(p) {
          const side = kit.range(-2.7, 2.7, 10);
          p.arrows(side.flatMap((a) => side.map((b) => [[a, b], maths.field([a, b]).map((v) => 0.12 * v)])), "gdm-arrow faint");
          p.segments([[[-0.12, 0], [0.12, 0]], [[0, -0.12], [0, 0.12]]], "gdm-line");
          p.line(path, "gdm-line b");
          p.dots(path, "b tiny");
          p.dots([path[path.length - 1]], "a");
          start(first.value, second.value);
        },
      },
      {
        label: "The distance from the equilibrium after each step, on a logarithmic scale, beside the line of the factor.",
        x: [0, MOST],
        y: [-4, 2],
        ratio: 0.8,
        names: ["step t", "log₁₀ of the distance"],
        draw(p) {
          const log = (v) => Math.log10(Math.max(v, 1e-300));
          const ends = path.map((z) => log(Math.hypot(...z))), factor = maths.factor(rule.value, step.value, extra.value);
          if (factor !== null) p.curve((t) => ends[0] + t * log(factor), "gdm-line muted dashed", p.x, 2);
          p.line(ends.map((v, t) => [t, v]), "gdm-line b");
        },
      },
    );
    kit.legend(place, ["gdm-line b", "the players, from the start"], ["gdm-dots a", "where they are"], ["gdm-line muted dashed", "ρ to the power of t"]);
    const read = kit.reading(place);
    const start = left.handle((a, b) => {
      first.value = a;
      second.value = b;
      update();
    });

    const sliders = kit.controls(place);
    const rule = kit.choice(sliders, "rule", Object.fromEntries(RULES.map((r) => [r, r])), chosen);
    const step = kit.slider(sliders, { words: "step η", low: 0.01, high: 2, value: 0.2, changed: update });
    const extra = kit.slider(sliders, { words: "extra", low: -0.9, high: 0.9, value: 0.5, changed: update });
    const steps = kit.slider(sliders, { words: "steps", low: 0, high: MOST, step: 1, value: 40, digits: 0, changed: update });
    const first = kit.slider(sliders, { words: "start x", low: -3, high: 3, value: 1, changed: update });
    const second = kit.slider(sliders, { words: "start y", low: -3, high: 3, value: 1, changed: update });
    const player = kit.player(place, { step: advance, burst: MOST, others: { "From the start": rewind } });

    function chosen() {
      const name = has[rule.value];
      extra.label.hidden = !name;
      if (name) extra.label.firstChild.textContent = name;
      extra.input.min = rule.value === "consensus" ? 0 : -0.9;
      if (rule.value === "consensus" && extra.value < 0) extra.value = 0.5;
      update();
    }

    function rewind() {
      player.pause();
      steps.value = 0;
      update();
    }

    function advance() {
      steps.value = Math.min(steps.value + 1, MOST);
      update();
      return steps.value < MOST && Math.hypot(...path[path.length - 1]) < 100;
    }

    function update() {
      path = maths.run(rule.value, step.value, extra.value, [first.value, second.value], steps.value);
      left.update();
      right.update();
      const factor = maths.factor(rule.value, step.value, extra.value), end = path[path.length - 1];
      read([
        ["factor ρ", factor === null ? "–" : kit.show(factor, 6)],
        ["outcome", verdict(factor)],
        [`after ${steps.value} steps`, `(${kit.show(end[0], 3)}, ${kit.show(end[1], 3)})`],
        ["distance", kit.show(Math.hypot(...end), 4)],
      ]);
    }
    chosen();
  }

  return { maths, build };
});
