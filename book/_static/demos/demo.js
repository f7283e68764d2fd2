// What the moving figures share: numbers, controls, and panels to draw in. Plain scripts, without a dependency.
// A demo is one file that calls gdmDemo(name, kit => ({ maths, build })): `maths` holds pure functions, which tests
// compare with Python; `build(place, kit)` puts controls and panels into an empty element of the page.
"use strict";

globalThis.gdmDemos = {};
globalThis.gdmDemo = (name, make) => {
  gdmDemos[name] = make(gdmKit);
};

const gdmKit = {
  still: () => matchMedia("(prefers-reduced-motion: reduce)").matches,

  range: (low, high, n) => Array.from({ length: n }, (_, i) => low + ((high - low) * i) / (n - 1)),

  // A number to read: a real minus sign, and no minus before a zero.
  show(value, digits = 2) {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "−∞";
    const text = Math.abs(value) >= 1e5 ? value.toExponential(1) : value.toFixed(digits);
    return Number(text) === 0 ? text.replace("-", "") : text.replaceAll("-", "−");
  },

  ticks([low, high], most) {
    const raw = (high - low) / Math.max(most, 2), ten = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((k) => k * ten).find((s) => s >= raw * 0.999);
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push([k * step, digits]);
    return found;
  },

  // Draws that are the same each time: uniform on (0, 1) (mulberry32), and standard normal (Box and Muller).
  random(seed) {
    let state = seed;
    const uniform = () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32 + 2 ** -33;
    };
    const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    return { uniform, normal };
  },

  shape(tag, attributes = {}) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    return made;
  },

  element(tag, className, text = "") {
    return Object.assign(document.createElement(tag), { className, textContent: text });
  },

  panels(place, ...options) {
    const box = gdmKit.element("div", "gdm-panels");
    place.append(box);
    return options.map((own) => new GdmPanel(box, own));
  },

  // The keys of a drawing: pairs of a class of lines and words.
  legend(place, ...entries) {
    const box = gdmKit.element("p", "gdm-legend");
    for (const [kind, words] of entries) {
      const entry = gdmKit.element("span", "", words);
      const swatch = gdmKit.shape("svg", { class: "gdm-swatch", viewBox: "0 0 22 8", "aria-hidden": "true" });
      const dots = kind.includes("gdm-dots");
      swatch.append(gdmKit.shape("path", { d: dots ? "M11 4h0" : "M1 4H21", class: kind }));
      entry.prepend(swatch);
      box.append(entry);
    }
    place.append(box);
  },

  controls(place) {
    const box = gdmKit.element("div", "gdm-sliders");
    place.append(box);
    return box;
  },

  _field(place, words, control) {
    const label = gdmKit.element("label", "gdm-field");
    const name = gdmKit.element("span", "", words);
    label.append(name, control);
    place.append(label);
    return label;
  },

  // A slider; `changed` hears of what the reader does. `.value` may be set to any number, between its steps, too.
  slider(place, { words, low, high, step = 0.01, value, digits = 2, changed }) {
    const input = Object.assign(gdmKit.element("input", ""), { type: "range", min: low, max: high, step, value });
    const shown = gdmKit.element("span", "gdm-value");
    shown.ariaHidden = "true"; // the slider says it itself
    const label = gdmKit._field(place, words, input);
    label.append(shown);
    let now = value;
    const tell = () => {
      shown.textContent = gdmKit.show(now, digits);
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    input.addEventListener("input", () => {
      now = Number(input.value);
      tell();
      changed();
    });
    tell();
    return {
      input,
      label,
      get value() {
        return now;
      },
      set value(v) {
        now = Math.min(Math.max(v, low), high);
        input.value = now;
        tell();
      },
    };
  },

  choice(place, words, options, changed) {
    const select = gdmKit.element("select", "");
    for (const [value, text] of Object.entries(options)) select.append(new Option(text, value));
    gdmKit._field(place, words, select);
    select.addEventListener("change", changed);
    return select;
  },

  buttons(place, actions) {
    const box = gdmKit.element("div", "gdm-buttons");
    for (const [words, action] of Object.entries(actions)) {
      const button = Object.assign(gdmKit.element("button", "", words), { type: "button" });
      button.addEventListener("click", action);
      box.append(button);
    }
    place.append(box);
    return box;
  },

  // What a demo has to say in numbers: pairs of a name and a text. Screen readers hear of changes.
  reading(place) {
    const box = gdmKit.element("output", "gdm-reading");
    place.append(box);
    return (pairs) =>
      box.replaceChildren(
        ...pairs.flatMap(([name, text]) => {
          const entry = gdmKit.element("span", "", `${name} `);
          entry.append(gdmKit.element("b", "", text));
          return [entry, " "];
        }),
      );
  },

  // "Play" and "Step". `step()` returns whether there is more. Nothing moves unasked, and for readers who asked
  // their system for less motion all steps are made at once.
  player(place, { step, burst = 50, wait = 60, others = {} }) {
    const out = place.querySelector("output");
    let timer = null;
    const pause = () => {
      clearInterval(timer);
      timer = null;
      play.textContent = gdmKit.still() ? "Run" : "Play";
      out?.setAttribute("aria-live", "polite");
    };
    const start = () => {
      if (gdmKit.still()) {
        for (let n = 0; n < burst && step(); n++);
        return;
      }
      play.textContent = "Pause";
      out?.setAttribute("aria-live", "off");
      timer = setInterval(() => step() || pause(), wait);
    };
    const box = gdmKit.buttons(place, {
      Play: () => (timer === null ? start() : pause()),
      Step: () => (pause(), step()),
      ...others,
    });
    const play = box.firstChild;
    pause();
    return { pause };
  },
};

globalThis.document?.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(".gdm-demo[data-demo]")) {
    const live = gdmKit.element("div", "gdm-live");
    box.append(live);
    gdmDemos[box.dataset.demo].build(live, gdmKit);
    box.classList.add("gdm-moves"); // from now on the still picture is for paper only
  }
});
