// A Gaussian over data, and the likelihood of its two numbers.
"use strict";

gdmDemo("gaussian", () => {
  // Petal lengths of fifty Iris versicolor, in cm: those of lesson 02.
  const PETALS = [
    4.7, 4.5, 4.9, 4.0, 4.6, 4.5, 4.7, 3.3, 4.6, 3.9, 3.5, 4.2, 4.0, 4.7, 3.6, 4.4, 4.5, 4.1, 4.5, 3.9, 4.8, 4.0, 4.9,
    4.7, 4.3, 4.4, 4.8, 5.0, 4.5, 3.5, 3.8, 3.7, 3.9, 5.1, 4.5, 4.5, 4.7, 4.4, 4.1, 4.0, 4.4, 4.6, 4.0, 3.3, 4.2, 4.2,
    4.2, 4.3, 3.0, 4.1,
  ];
  const LOG_2PI = Math.log(2 * Math.PI);
  const average = (x) => x.reduce((sum, v) => sum + v, 0) / x.length;

  const maths = {
    data: () => PETALS,
    logDensity: (x, mean, std) => -0.5 * (LOG_2PI + ((x - mean) / std) ** 2) - Math.log(std),
    // The average log-likelihood (2.3), in nats.
    logLikelihood: (x, mean, std) => average(x.map((v) => maths.logDensity(v, mean, std))),
    // Its maximum (2.5).
    fit(x) {
      const mean = average(x);
      return [mean, Math.sqrt(average(x.map((v) => (v - mean) ** 2)))];
    },
    // The slopes of the average log-likelihood by mean and standard deviation (2.4).
    slopes(x, mean, std) {
      const square = average(x.map((v) => (v - mean) ** 2));
      return [(average(x) - mean) / std ** 2, square / std ** 3 - 1 / std];
    },
  };

  function build(place, kit) {
    const best = maths.fit(PETALS), top = maths.logLikelihood(PETALS, ...best);
    // Two numbers of the data say all: ℓ depends on them alone.
    const fast = (m, s) => top + Math.log(best[1] / s) + 0.5 - (best[1] ** 2 + (best[0] - m) ** 2) / (2 * s * s);
    // Equal lengths stand on each other.
    const heights = PETALS.map((v, n) => 0.035 + 0.05 * PETALS.slice(0, n).filter((w) => w === v).length);
    const range = { x: [2.4, 6.2], std: [0.15, 1.5] };
    const density = (x) => Math.exp(maths.logDensity(x, mean.value, std.value));

    const [left, right] = kit.panels(
      place,
      {
        label: "Petal lengths as dots on a line, under the density of a Gaussian that can be moved and widened.",
        x: range.x,
        y: [0, 1.2],
        names: ["petal length (cm)", "density (1/cm)"],
        draw(p) {
          const [m, s] = [mean.value, std.value];
          p.area(density, "gdm-fill a");
          p.segments(PETALS.map((v) => [[v, 0], [v, density(v)]]), "gdm-thin");
          p.curve(density, "gdm-line a");
          p.dots(PETALS.map((v, n) => [v, heights[n]]), "ink small");
          p.segments([[[m, density(m + s)], [m + s, density(m + s)]]], "gdm-line dashed");
          peak(m, Math.min(density(m), 1.15));
          side(m + s, Math.min(density(m + s), 1.15));
        },
      },
      {
        label: "Contours of the average log-likelihood over mean and standard deviation, with the chosen Gaussian as a point.",
        x: [3.2, 5.4],
        y: range.std,
        names: ["mean μ", "standard deviation σ"],
        draw(p) {
          p.contours(fast, [0.02, 0.1, 0.3, 0.7, 1.5, 3, 6, 12].map((drop) => top - drop), "gdm-thin");
          p.dots([best], "c");
          p.text(best[0] + 0.07, best[1] - 0.02, "maximum");
          point(mean.value, std.value);
        },
      },
    );
    kit.legend(place, ["gdm-dots ink", "data"], ["gdm-line a", "N(μ, σ²)"], ["gdm-thin", "density at each flower, and contours of ℓ"]);
    const read = kit.reading(place);
    const peak = left.handle((x) => set(x, std.value));
    const side = left.handle((x) => set(mean.value, Math.abs(x - mean.value)), "second");
    const point = right.handle(set);

    const sliders = kit.controls(place);
    const mean = kit.slider(sliders, { words: "mean μ", low: 3.2, high: 5.4, value: 3.7, changed: update });
    const std = kit.slider(sliders, { words: "std σ", low: 0.15, high: 1.5, value: 0.8, changed: update });
    kit.buttons(place, {
      "Go to the maximum": () => set(...best),
      "One step uphill": () => {
        const [a, b] = maths.slopes(PETALS, mean.value, std.value);
        set(mean.value + 0.1 * a, std.value + 0.1 * b);
      },
    });

    function set(m, s) {
      mean.value = m;
      std.value = s;
      update();
    }

    function update() {
      const now = maths.logLikelihood(PETALS, mean.value, std.value);
      const [a, b] = maths.slopes(PETALS, mean.value, std.value);
      left.update();
      right.update();
      read([
        ["log-likelihood ℓ", `${kit.show(now, 4)} nats per flower`],
        ["below the maximum", kit.show(top - now, 4)],
        ["slopes by μ and σ", `${kit.show(a, 3)}, ${kit.show(b, 3)}`],
      ]);
    }
    update();
  }

  return { maths, build };
});
