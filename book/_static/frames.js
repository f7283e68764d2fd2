// Frames made beforehand: a slider, and a button that plays them. Without this script the page shows the last frame.
"use strict";

function prepareFrames(box) {
  const words = JSON.parse(box.dataset.words), last = words.length - 1;
  const notes = [...box.querySelectorAll(".gdm-strip-note")].map((note) => [note, JSON.parse(note.dataset.words)]);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: last, value: last });
  const said = Object.assign(document.createElement("span"), { className: "gdm-frames-words", ariaHidden: "true" });
  const label = Object.assign(document.createElement("label"), { className: "gdm-field" });
  label.append(Object.assign(document.createElement("span"), { textContent: box.dataset.slider }), slider, said);
  const button = Object.assign(document.createElement("button"), { type: "button" });
  let timer = null;

  const show = () => {
    const at = Number(slider.value);
    box.style.setProperty("--at", at);
    said.textContent = words[at];
    slider.setAttribute("aria-valuetext", words[at]);
    for (const [note, own] of notes) note.textContent = own[at];
  };
  const pause = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  };
  const step = () => {
    slider.value = Number(slider.value) + 1;
    show();
    if (Number(slider.value) >= last) pause();
  };
  const play = () => {
    if (Number(slider.value) >= last) slider.value = 0;
    show();
    button.textContent = "Pause";
    timer = setInterval(step, 900);
  };
  // Nothing moves unasked; for readers who want less motion, nothing plays either: the slider is enough.
  const choose = () => {
    pause();
    button.hidden = still.matches;
  };
  button.addEventListener("click", () => (timer === null ? play() : pause()));
  slider.addEventListener("input", () => (pause(), show()));
  still.addEventListener("change", choose);
  const controls = Object.assign(document.createElement("div"), { className: "gdm-frames-controls" });
  controls.append(button, label);
  choose();
  show();
  box.prepend(controls);
  box.classList.add("gdm-moves");
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".gdm-frames").forEach(prepareFrames));
