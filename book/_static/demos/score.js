// The score of a Gaussian mixture under noise, and two samplers that need nothing else.
"use strict";

gdmDemo("score", () => {
  const LOG_2PI = Math.log(2 * Math.PI);
  // Weights, means, and covariances as (variance, covariance, variance).
  const WEIGHTS = [0.5, 0.3, 0.2];
  const MEANS = [[-1.2, -0.7], [1.4, 0.9], [0.5, -1.6]];
  const COVARIANCES = [[0.16, 0.08, 0.12], [0.1, -0.05, 0.2], [0.08, 0, 0.08]];
  const STEPS = 40; // of the probability flow, from noise to data

  const maths = {
    mixture: () => ({ weights: WEIGHTS, means: MEANS, covariances: COVARIANCES }),

    // The share ᾱ of the data's variance that is left at time t, from 0 (data) to 1 (noise).
    alphaBar: (t) => Math.max(Math.cos((Math.PI / 2) * t) ** 2, 1e-4),

    // Of each component after noise: log w N(x), and the score of N at x.
    parts(bar, x) {
      const root = Math.sqrt(bar), noise = 1 - bar;
      return WEIGHTS.map((w, k) => {
        const [a, b, c] = [bar * COVARIANCES[k][0] + noise, bar * COVARIANCES[k][1], bar * COVARIANCES[k][2] + noise];
        const [u, v] = [x[0] - root * MEANS[k][0], x[1] - root * MEANS[k][1]], det = a * c - b * b;
        const score = [-(c * u - b * v) / det, -(a * v - b * u) / det];
        const log = Math.log(w) - LOG_2PI - 0.5 * Math.log(det) + 0.5 * (u * score[0] + v * score[1]);
        return { log, score };
      });
    },

    // The density in nats, its gradient, and the share of each component in it.
    at(bar, x) {
      const parts = maths.parts(bar, x), most = Math.max(...parts.map((p) => p.log));
      const sizes = parts.map((p) => Math.exp(p.log - most)), total = sizes.reduce((s, v) => s + v, 0);
      const shares = sizes.map((v) => v / total);
      const score = [0, 1].map((i) => parts.reduce((s, p, k) => s + shares[k] * p.score[i], 0));
      return { logProb: most + Math.log(total), score, shares };
    },

    // A step uphill and noise of matching strength.
    langevin(bar, x, h, noise) {
      const { score } = maths.at(bar, x);
      return x.map((v, i) => v + h * score[i] + Math.sqrt(2 * h) * noise[i]);
    },

    // A step of the probability flow from ᾱ to the larger ᾱ of less noise (DDIM): the guess of the clean point is
    // Tweedie's, and what is left is its noise.
    flow(bar, next, x) {
      const { score } = maths.at(bar, x);
      return x.map((v, i) => {
        const clean = (v + (1 - bar) * score[i]) / Math.sqrt(bar);
        return Math.sqrt(next) * clean - Math.sqrt(1 - next) * Math.sqrt(1 - bar) * score[i];
      });
    },

    // All places on the way of a point from noise to data, in so many steps.
    walk(x, steps) {
      const way = [x];
      for (let k = steps; k > 0; k--)
        way.push(maths.flow(maths.alphaBar(k / steps), maths.alphaBar((k - 1) / steps), way[way.length - 1]));
      return way;
    },
  };

  const LIMITS = [-3.2, 3.2], POINTS = 200;
  const NAMES = ["first", "second", "third"];

  function build(place, kit) {
    let points = [], ways = null, random = kit.random(3), done = 0;
    const bar = () => maths.alphaBar(time.value);
    const shares = () => {
      const all = points.map((x) => maths.at(bar(), x).shares);
      return WEIGHTS.map((_, k) => all.reduce((s, v) => s + v[k], 0) / points.length);
    };

    const [left, right] = kit.panels(
      place,
      {
        label: "Arrows of the score over contours of a mixture of three Gaussians, with points that a sampler moves.",
        x: LIMITS,
        y: LIMITS,
        ratio: 1,
        names: ["x₁", "x₂"],
        draw(p) {
          p.contours((a, b) => maths.at(bar(), [a, b]).logProb, [-7, -5.5, -4, -3, -2, -1], "gdm-thin", 50);
          const side = kit.range(-2.95, 2.95, 14);
          const arrow = (x) => {
            const { score } = maths.at(bar(), x), size = Math.hypot(...score);
            return [x, score.map((w) => (0.38 * Math.tanh(size / 5) * w) / size)]; // long ones are cut short
          };
          p.arrows(side.flatMap((a) => side.map((b) => arrow([a, b]))));
          p.dots(points, "b small");
          probe(first.value, second.value);
        },
      },
      {
        label: "Bars: the share of the points in each component, beside the weight that it should be.",
        x: [0, 3],
        y: [0, 1],
        ratio: 0.8,
        names: ["component", "share of points"],
        ticks: [false, true],
        draw(p) {
          const now = shares();
          const bar = (a, b, h, look) => p.line([[a, 0], [a, h], [b, h], [b, 0]], look);
          WEIGHTS.forEach((w, k) => {
            bar(k + 0.15, k + 0.48, w, "gdm-fill a strong");
            bar(k + 0.52, k + 0.85, now[k], "gdm-fill b strong");
            p.text(k + 0.5, Math.min(Math.max(w, now[k]) + 0.03, 0.94), NAMES[k], "middle");
          });
        },
      },
    );
    kit.legend(
      place,
      ["gdm-arrow", "score ∇ log p (length squeezed)"],
      ["gdm-dots b", "points of the sampler, and their shares"],
      ["gdm-line a", "weights of the mixture"],
    );
    const read = kit.reading(place);
    const probe = left.handle((a, b) => {
      first.value = a;
      second.value = b;
      update();
    });

    const sliders = kit.controls(place);
    const kinds = { flow: "probability flow", langevin: "Langevin" };
    const kind = kit.choice(sliders, "sampler", kinds, restart);
    const time = kit.slider(sliders, { words: "noise t", low: 0, high: 1, step: 1 / STEPS, value: 1, digits: 3, changed: moved });
    const step = kit.slider(sliders, { words: "Langevin step h", low: 0.002, high: 0.1, step: 0.002, value: 0.02, digits: 3, changed: update });
    const first = kit.slider(sliders, { words: "point x₁", low: -3.2, high: 3.2, value: 2.2, changed: update });
    const second = kit.slider(sliders, { words: "point x₂", low: -3.2, high: 3.2, value: -0.6, changed: update });
    const player = kit.player(place, { step: advance, burst: 100, wait: 90, others: { "Start again": restart } });

    function restart() {
      player.pause();
      random = kit.random(3);
      done = 0;
      const flows = kind.value === "flow";
      const draw = () => (flows ? [random.normal(), random.normal()] : [first.value, second.value]);
      points = Array.from({ length: POINTS }, draw);
      ways = flows ? points.map((x) => maths.walk(x, STEPS)) : null;
      if (flows) time.value = 1;
      else if (time.value === 1) time.value = 0;
      step.label.hidden = flows;
      update();
    }

    function moved() {
      if (ways) points = ways.map((way) => way[STEPS - Math.round(time.value * STEPS)]);
      update();
    }

    // The flow goes on to less noise; Langevin stays where it is and walks.
    function advance() {
      done++;
      if (ways) {
        if (time.value > 0) time.value = (Math.round(time.value * STEPS) - 1) / STEPS;
        moved();
        return time.value > 0;
      }
      points = points.map((x) => maths.langevin(bar(), x, step.value, [random.normal(), random.normal()]));
      update();
      return done % 500 !== 0;
    }

    function update() {
      left.update();
      right.update();
      const { logProb, score } = maths.at(bar(), [first.value, second.value]);
      const mean = points.reduce((s, x) => s + maths.at(bar(), x).logProb, 0) / points.length;
      read([
        ["at the point, log p", kit.show(logProb, 4)],
        ["score", `(${kit.show(score[0], 3)}, ${kit.show(score[1], 3)})`],
        ["share ᾱ of the data", kit.show(bar(), 3)],
        ["mean log p of the samples", kit.show(mean, 3)],
        ["their shares", shares().map((v) => kit.show(v, 2)).join(", ")],
      ]);
    }
    restart();
    time.value = 0.35; // half on the way
    moved();
  }

  return { maths, build };
});
