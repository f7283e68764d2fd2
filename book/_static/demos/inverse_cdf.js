// A uniform number, looked up in a distribution function from the other side, is a sample.
"use strict";

gdmDemo("inverse_cdf", () => {
  const ROOT_2PI = Math.sqrt(2 * Math.PI);
  const MODES = [[0.4, -1.5, 0.5], [0.6, 1.2, 0.8]]; // weights, means, standard deviations
  const pair = (f, x) => MODES.reduce((sum, [w, m, s]) => sum + w * f((x - m) / s, s), 0);

  const maths = {
    // Φ(x), to the last digits: a series in the middle, a continued fraction in the tails.
    normalCdf(x) {
      const z = Math.abs(x);
      const density = Math.exp(-0.5 * z * z) / ROOT_2PI;
      let tail;
      if (z < 4) {
        let term = z, sum = z;
        for (let k = 3; term > 1e-17 * sum; k += 2) sum += term *= (z * z) / k;
        tail = 0.5 - density * sum;
      } else {
        let fraction = z;
        for (let k = 60; k > 0; k--) fraction = z + k / fraction;
        tail = density / fraction;
      }
      return x > 0 ? 1 - tail : tail;
    },

    density(kind, x) {
      if (kind === "exponential") return x < 0 ? 0 : Math.exp(-x);
      if (kind === "logistic") return 0.25 / Math.cosh(x / 2) ** 2;
      if (kind === "mixture") return pair((z, s) => Math.exp(-0.5 * z * z) / ROOT_2PI / s, x);
      return Math.exp(-0.5 * x * x) / ROOT_2PI;
    },

    cdf(kind, x) {
      if (kind === "exponential") return x < 0 ? 0 : -Math.expm1(-x);
      if (kind === "logistic") return 1 / (1 + Math.exp(-x));
      if (kind === "mixture") return pair(maths.normalCdf, x);
      return maths.normalCdf(x);
    },

    // In closed form, or by halving an interval in which the answer lies until nothing is left of it.
    icdf(kind, u) {
      if (kind === "exponential") return -Math.log1p(-u);
      if (kind === "logistic") return Math.log(u / (1 - u));
      let low = -40, high = 40;
      for (let k = 0; k < 70; k++) {
        const middle = (low + high) / 2;
        if (maths.cdf(kind, middle) < u) low = middle;
        else high = middle;
      }
      return (low + high) / 2;
    },
  };

  const NAMES = {
    normal: "standard normal",
    exponential: "exponential",
    logistic: "logistic",
    mixture: "two Gaussians",
  };
  const MOST = { normal: 0.62, exponential: 1.25, logistic: 0.38, mixture: 0.5 };
  const BINS = 24;

  function build(place, kit) {
    let samples = [], random = kit.random(1);
    const range = () => (kind.value === "exponential" ? [-0.5, 6] : kind.value === "logistic" ? [-6, 6] : [-4, 4]);
    const F = (x) => maths.cdf(kind.value, x);

    const [left, right] = kit.panels(
      place,
      {
        label: "The distribution function rises from 0 to 1. A dashed line leads from a height u to the curve, and down to x.",
        x: [-4, 4],
        y: [0, 1],
        names: ["x", "u = F(x)"],
        draw(p) {
          const x = maths.icdf(kind.value, u.value), start = p.x[0];
          p.segments(samples.slice(-200).map((s) => [[start, F(s)], [start + (p.x[1] - start) / 40, F(s)]]), "gdm-thin c");
          p.segments(samples.slice(-200).map((s) => [[s, 0], [s, 0.025]]), "gdm-thin c");
          p.curve(F, "gdm-line a");
          p.line([[start, u.value], [x, u.value], [x, 0]], "gdm-line b dashed");
          onAxis(start, u.value);
          onCurve(Math.min(Math.max(x, start), p.x[1]), u.value);
        },
      },
      {
        label: "The density of x, with a histogram of the samples drawn so far.",
        x: [-4, 4],
        y: [0, 1],
        names: ["x", "density"],
        draw(p) {
          const width = (p.x[1] - p.x[0]) / BINS, counts = new Array(BINS).fill(0);
          for (const s of samples) {
            const bin = Math.floor((s - p.x[0]) / width);
            if (bin >= 0 && bin < BINS) counts[bin]++;
          }
          counts.forEach((count, n) => {
            const [a, b, h] = [p.x[0] + n * width, p.x[0] + (n + 1) * width, count / samples.length / width];
            if (count) p.line([[a, 0], [a, h], [b, h], [b, 0]], "gdm-fill c edged");
          });
          const x = maths.icdf(kind.value, u.value);
          p.area((v) => maths.density(kind.value, v), "gdm-fill b", [p.x[0], Math.min(x, p.x[1])]);
          p.curve((v) => maths.density(kind.value, v), "gdm-line a", p.x, 400);
          p.dots([[x, 0]], "b");
        },
      },
    );
    kit.legend(
      place,
      ["gdm-line a", "distribution function F and density"],
      ["gdm-line b dashed", "u, and x = F⁻¹(u)"],
      ["gdm-line c", "samples"],
    );
    const read = kit.reading(place);
    const onAxis = left.handle((_, y) => move(y));
    const onCurve = left.handle((x) => move(F(x)), "second");

    const sliders = kit.controls(place);
    const u = kit.slider(sliders, { words: "u", low: 0.001, high: 0.999, step: 0.001, value: 0.8, digits: 3, changed: update });
    const kind = kit.choice(sliders, "distribution", NAMES, restart);
    kit.buttons(place, { "Draw 1": () => draw(1), "Draw 100": () => draw(100), "Draw 1000": () => draw(1000), Clear: restart });

    function move(value) {
      u.value = value;
      update();
    }

    function draw(n) {
      for (let k = 0; k < n; k++) {
        u.value = random.uniform();
        samples.push(maths.icdf(kind.value, u.value));
      }
      update();
    }

    function restart() {
      samples = [];
      random = kit.random(1);
      update();
    }

    function update() {
      left.x = right.x = range();
      right.y = [0, MOST[kind.value]];
      left.update();
      right.update();
      const x = maths.icdf(kind.value, u.value), n = samples.length;
      read([
        ["x = F⁻¹(u)", kit.show(x, 4)],
        ["share of density left of x", kit.show(F(x), 3)],
        ["samples", String(n)],
        ["of them left of x", n ? kit.show(samples.filter((s) => s <= x).length / n, 3) : "–"],
      ]);
    }
    draw(100);
    move(0.8);
  }

  return { maths, build };
});
