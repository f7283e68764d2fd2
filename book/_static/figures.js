// A figure's picture opens at full size in a window of the page; an animation plays when told to.
// Without this script the picture is a link to its file.
"use strict";

function openPicture(link) {
  const picture = link.querySelector("img");
  const box = document.createElement("dialog");
  box.className = "gdm-window";
  box.setAttribute("aria-label", "Figure at full size");
  const large = document.createElement("img");
  large.src = link.href;
  large.alt = picture.alt;
  large.style.setProperty("--gdm-pixels", `${picture.naturalWidth}px`);
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  const frame = document.createElement("div");
  frame.className = "gdm-window-scroll";
  frame.tabIndex = 0;
  frame.append(large);
  box.append(close, frame);
  close.addEventListener("click", () => box.close());
  box.addEventListener("click", (event) => event.target === box && box.close());
  box.addEventListener("close", () => {
    box.remove();
    link.focus();
  });
  document.body.append(box);
  box.showModal();
}

// An animation: a canvas in the place of its last frame, a button, and a slider over the frames.
function prepareAnimation(place) {
  const still = place.querySelector("img");
  const frames = Number(place.dataset.frames);
  const sheet = new Image();
  const canvas = document.createElement("canvas");
  canvas.width = Number(still.getAttribute("width"));
  canvas.height = Number(still.getAttribute("height"));
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", still.alt);
  const button = document.createElement("button");
  button.type = "button";
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: frames - 1, value: frames - 1 });
  slider.setAttribute("aria-label", "Moment of the animation");
  const controls = document.createElement("span");
  controls.className = "gdm-controls";
  controls.append(button, slider);
  let timer = null;

  const draw = () => {
    const { width, height } = canvas;
    const top = Number(slider.value) * height;
    canvas.getContext("2d").drawImage(sheet, 0, top, width, height, 0, 0, width, height);
  };
  const show = (playing) => {
    button.textContent = playing ? "Pause" : "Play";
    place.classList.toggle("gdm-playing", playing);
  };
  const pause = () => {
    clearInterval(timer);
    timer = null;
    show(false);
  };
  const step = () => {
    slider.value = Number(slider.value) + 1;
    draw();
    if (Number(slider.value) >= frames - 1) pause();
  };
  const play = () => {
    if (Number(slider.value) >= frames - 1) slider.value = 0;
    draw();
    timer = setInterval(step, Number(place.dataset.duration));
    show(true);
  };
  button.addEventListener("click", () => (timer === null ? play() : pause()));
  slider.addEventListener("input", () => (pause(), draw()));
  sheet.addEventListener("load", () => {
    draw();
    place.replaceChildren(canvas, controls);
    show(false);
  });
  sheet.src = place.dataset.sheet;
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".gdm-animation").forEach(prepareAnimation);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.gdm-full-size");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    openPicture(link);
  });
});
