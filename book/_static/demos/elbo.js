// The evidence lower bound of one observation, with a q that the reader moves.
"use strict";

gdmDemo("elbo", () => {
  // z is standard normal, and x given z is normal with standard deviation NOISE about w z or w z².
  const WEIGHT = 1.5, NOISE = 0.8;
  const LOG_2PI = Math.log(2 * Math.PI);
  const logNormal = (x, mean, std) => -0.5 * (LOG_2PI + ((x - mean) / std) ** 2) - Math.log(std);

  const maths = {
    constants: () => [WEIGHT, NOISE],
    decode: (kind, z) => WEIGHT * (kind === "line" ? z : z * z),
    logJoint: (kind, x, z) => logNormal(z, 0, 1) + logNormal(x, maths.decode(kind, z), NOISE),

    // The log-density of x: a formula for the line; for the parabola the sum over a fine grid, whose error vanishes
    // faster than any power of its step, because the function is smooth and dies out on both sides.
    logEvidence(kind, x) {
      if (kind === "line") return logNormal(x, 0, Math.hypot(WEIGHT, NOISE));
      const step = 0.01, values = [];
      for (let k = -1000; k <= 1000; k++) values.push(maths.logJoint(kind, x, k * step));
      const most = Math.max(...values);
      return most + Math.log(step * values.reduce((sum, v) => sum + Math.exp(v - most), 0));
    },

    logPosterior: (kind, x, z) => maths.logJoint(kind, x, z) - maths.logEvidence(kind, x),

    // The mean of log p(x | z) over q = N(m, s²), from the moments of a Gaussian.
    reconstruction(kind, x, m, s) {
      const second = m * m + s * s, fourth = m ** 4 + 6 * m * m * s * s + 3 * s ** 4;
      const [mean, square] = kind === "line" ? [m, second] : [second, fourth];
      const error = x * x - 2 * x * WEIGHT * mean + WEIGHT * WEIGHT * square;
      return -0.5 * (LOG_2PI + error / NOISE ** 2) - Math.log(NOISE);
    },

    // The divergence of q from the prior (9.7).
    price: (m, s) => 0.5 * (m * m + s * s - 1) - Math.log(s),
    elbo: (kind, x, m, s) => maths.reconstruction(kind, x, m, s) - maths.price(m, s),
    // The divergence of q from the posterior, which is the gap (9.6).
    gap: (kind, x, m, s) => maths.logEvidence(kind, x) - maths.elbo(kind, x, m, s),

    // The q near (m, s) with the highest bound: ascent in m and log s with halved steps; exact for the line.
    best(kind, x, m, s) {
      if (kind === "line") {
        const precision = 1 + (WEIGHT / NOISE) ** 2;
        return [(WEIGHT * x) / NOISE ** 2 / precision, precision ** -0.5];
      }
      let rate = 0.1, value = maths.elbo(kind, x, m, s);
      const e = 1e-5, f = (a, b) => maths.elbo(kind, x, a, b);
      for (let k = 0; k < 2000; k++) {
        const slope = [f(m + e, s) - f(m - e, s), s * (f(m, s + e) - f(m, s - e))].map((d) => d / (2 * e));
        const next = [m + rate * slope[0], s * Math.exp(rate * slope[1])];
        const better = f(...next);
        if (better > value) [m, s, value, rate] = [...next, better, rate * 1.2];
        else rate /= 2;
      }
      return [m, s];
    },
  };

  const LOW = -10; // where the bars begin, in nats

  function build(place, kit) {
    const density = (z) => Math.exp(logNormal(z, mean.value, std.value));
    let posterior;

    const [left, right] = kit.panels(
      place,
      {
        label: "Densities of the hidden cause z: prior, exact posterior, and a Gaussian q that can be moved and widened.",
        x: [-3.5, 3.5],
        y: [0, 1.4],
        names: ["z", "density"],
        draw(p) {
          const [m, s] = [mean.value, std.value];
          p.curve((z) => Math.exp(logNormal(z, 0, 1)), "gdm-line muted dashed");
          p.area(posterior, "gdm-fill a");
          p.curve(posterior, "gdm-line a", p.x, 300);
          p.curve(density, "gdm-line b", p.x, 300);
          peak(m, Math.min(density(m), 1.35));
          side(m + s, Math.min(density(m + s), 1.35));
        },
      },
      {
        label: "Bars in nats: log p(x) above; below it the bound, and the divergence of q from the posterior, which fills the gap.",
        x: [LOW, 0],
        y: [0, 4],
        names: ["nats", ""],
        ticks: [true, false],
        draw(p) {
          const [kindNow, xNow, m, s] = [kind.value, x.value, mean.value, std.value];
          const full = maths.logEvidence(kindNow, xNow), bound = maths.elbo(kindNow, xNow, m, s);
          const bar = (from, to, y, look) =>
            to > LOW && p.line([[Math.max(from, LOW), y], [to, y], [to, y + 0.6], [Math.max(from, LOW), y + 0.6]], look);
          bar(LOW, full, 2.4, "gdm-fill a strong");
          bar(LOW, bound, 0.7, "gdm-fill c strong");
          bar(bound, full, 0.7, "gdm-fill b strong");
          p.segments([[[full, 0], [full, 3.3]]], "gdm-line muted dashed");
          const words = (y, text) => p.text(LOW + 0.2, y, text);
          words(3.2, `log p(x) = ${kit.show(full, 3)}`);
          words(1.5, `ELBO = ${kit.show(bound, 3)}`);
          words(0.2, `gap = KL(q ‖ posterior) = ${kit.show(full - bound, 3)}`);
        },
      },
    );
    kit.legend(
      place,
      ["gdm-line muted dashed", "prior p(z)"],
      ["gdm-line a", "posterior p(z | x); log p(x)"],
      ["gdm-line b", "q(z); the gap"],
      ["gdm-line c", "ELBO"],
    );
    const read = kit.reading(place);
    const peak = left.handle((z) => set(z, std.value));
    const side = left.handle((z) => set(mean.value, Math.abs(z - mean.value)), "second");

    const sliders = kit.controls(place);
    const mean = kit.slider(sliders, { words: "mean of q", low: -3, high: 3, value: -0.5, changed: update });
    const std = kit.slider(sliders, { words: "std of q", low: 0.1, high: 2, value: 0.7, changed: update });
    const x = kit.slider(sliders, { words: "observation x", low: -3, high: 3, value: 1.5, changed: update });
    const kind = kit.choice(sliders, "mean of x given z", { line: "1.5 z", parabola: "1.5 z²" }, update);
    kit.buttons(place, {
      "Best q": () => set(...maths.best(kind.value, x.value, mean.value || 0.1, std.value)),
      "q = prior": () => set(0, 1),
    });

    function set(m, s) {
      mean.value = m;
      std.value = s;
      update();
    }

    function update() {
      const [k, xNow, m, s] = [kind.value, x.value, mean.value, std.value];
      const full = maths.logEvidence(k, xNow);
      posterior = (z) => Math.exp(maths.logJoint(k, xNow, z) - full);
      left.update();
      right.update();
      const bound = maths.elbo(k, xNow, m, s);
      read([
        ["log p(x)", kit.show(full, 4)],
        ["ELBO", kit.show(bound, 4)],
        ["gap", kit.show(full - bound, 4)],
        ["ELBO = reconstruction", kit.show(maths.reconstruction(k, xNow, m, s), 4)],
        ["− KL(q ‖ prior)", kit.show(maths.price(m, s), 4)],
      ]);
    }
    update();
  }

  return { maths, build };
});
