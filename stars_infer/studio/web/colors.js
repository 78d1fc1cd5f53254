// A color and a shape for each action, which also tell actions apart where colors look alike.

import { h } from "./dom.js";

export const SHAPES = ["disc", "square", "triangle", "diamond", "plus", "star"];
export const COLORS = 8;
const places = new Map();

export function learn(labels) {
  for (const label of labels) if (!places.has(label)) places.set(label, places.size);
}

export function look(label) {
  learn([label]);
  const place = places.get(label);
  return { color: place % COLORS, shape: (place + Math.floor(place / 24)) % SHAPES.length };
}

// The outline of a shape about a place.
export function outline(pen, shape, x, y, r) {
  pen.beginPath();
  const corners = (points) => {
    points.forEach(([a, b], i) =>
      i ? pen.lineTo(x + a * r, y + b * r) : pen.moveTo(x + a * r, y + b * r),
    );
    pen.closePath();
  };
  if (shape === 0) pen.arc(x, y, r, 0, 7);
  else if (shape === 1) pen.rect(x - 0.86 * r, y - 0.86 * r, 1.72 * r, 1.72 * r);
  else if (shape === 2)
    corners([
      [0, -1.15],
      [1.05, 0.8],
      [-1.05, 0.8],
    ]);
  else if (shape === 3)
    corners([
      [0, -1.2],
      [1.2, 0],
      [0, 1.2],
      [-1.2, 0],
    ]);
  else if (shape === 4) {
    const a = 0.4,
      b = 1.1;
    corners([
      [-a, -b],
      [a, -b],
      [a, -a],
      [b, -a],
      [b, a],
      [a, a],
      [a, b],
      [-a, b],
      [-a, a],
      [-b, a],
      [-b, -a],
      [-a, -a],
    ]);
  } else {
    corners(
      Array.from({ length: 10 }, (_, i) => {
        const reach = i % 2 ? 0.55 : 1.3,
          turn = (Math.PI * i) / 5 - Math.PI / 2;
        return [reach * Math.cos(turn), reach * Math.sin(turn)];
      }),
    );
  }
}

const POINTS = {
  square: "1.5,1.5 10.5,1.5 10.5,10.5 1.5,10.5",
  triangle: "6,0.5 11.5,10.5 0.5,10.5",
  diamond: "6,0 12,6 6,12 0,6",
  plus: "4,0.5 8,0.5 8,4 11.5,4 11.5,8 8,8 8,11.5 4,11.5 4,8 0.5,8 0.5,4 4,4",
  star: "6,0 7.6,4.2 12,4.4 8.6,7.2 9.8,11.6 6,9.1 2.2,11.6 3.4,7.2 0,4.4 4.4,4.2",
};

// The mark of an action, as a small picture.
export function mark(label) {
  const { color, shape } = look(label),
    name = SHAPES[shape];
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 12 12");
  picture.setAttribute("class", `mark action${color}`);
  picture.setAttribute("aria-hidden", "true");
  const form = document.createElementNS(space, name === "disc" ? "circle" : "polygon");
  if (name === "disc")
    for (const [key, value] of [
      ["cx", 6],
      ["cy", 6],
      ["r", 5.4],
    ])
      form.setAttribute(key, value);
  else form.setAttribute("points", POINTS[name]);
  picture.append(form);
  return picture;
}

export function chip(label, ...more) {
  return h("span.chip", { title: label }, mark(label), h("span.chip-name", {}, label), ...more);
}
