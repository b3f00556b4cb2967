// Brushing of the parallel coordinates, which also filters the table of trials. No library, no network.
"use strict";
{
  const figure = document.querySelector("svg.parallel");
  if (figure) parallelCoordinates(figure);
}

function parallelCoordinates(figure) {
  const NEAR = 10;
  const axes = [...figure.querySelectorAll(".upright")];
  const places = axes.map((axis) => Number(axis.dataset.x));
  const rows = new Map([...document.querySelectorAll("table.trials tr[data-trial]")].map((row) => [row.dataset.trial, row]));
  const threads = [...figure.querySelectorAll(".thread")].map((line) => ({ line, at: corners(line), row: rows.get(line.dataset.trial) }));
  const brushes = new Map();
  const kept = document.querySelector("[data-kept]");
  const clear = document.querySelector("[data-clear]");
  const hovered = document.querySelector("[data-hovered]");
  let lit = null;

  // Height of a line at each axis; an axis that it does not reach has none.
  function corners(line) {
    const pairs = line.getAttribute("points").split(" ").map((pair) => pair.split(",").map(Number));
    return places.map((place) => (pairs.find(([x]) => Math.abs(x - place) < 0.2) || [])[1]);
  }

  function pixels(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(figure.getScreenCTM().inverse());
    return [point.x, point.y];
  }

  function passes(thread) {
    for (const [axis, [top, bottom]] of brushes) {
      const y = thread.at[axis];
      if (y === undefined || y < top || y > bottom) return false;
    }
    return true;
  }

  function update() {
    let count = 0;
    for (const thread of threads) {
      thread.kept = passes(thread);
      count += thread.kept;
      thread.line.classList.toggle("out", !thread.kept);
      if (thread.row) thread.row.classList.toggle("out", !thread.kept);
    }
    axes.forEach((axis, at) => {
      const [top, bottom] = brushes.get(at) || [0, 0];
      const box = axis.querySelector(".brush");
      box.setAttribute("y", top);
      box.setAttribute("height", bottom - top);
    });
    kept.textContent = brushes.size ? `${count} of ${threads.length} trials` : "";
    clear.hidden = !brushes.size;
  }

  function light(thread) {
    if (thread === lit) return;
    for (const [one, on] of [[lit, false], [thread, true]]) {
      if (!one) continue;
      one.line.classList.toggle("lit", on);
      if (one.row) one.row.classList.toggle("lit", on);
    }
    lit = thread;
    hovered.textContent = thread ? thread.line.dataset.text : "\u00a0";
  }

  // The kept line nearest to the pointer, between the two axes around it.
  function nearest([x, y]) {
    const right = places.findIndex((place) => place >= x);
    if (right < 1) return null;
    const share = (x - places[right - 1]) / (places[right] - places[right - 1]);
    let best = null, gap = NEAR;
    for (const thread of threads) {
      const here = thread.at[right - 1] * (1 - share) + thread.at[right] * share;
      if (thread.kept && Math.abs(here - y) < gap) [best, gap] = [thread, Math.abs(here - y)];
    }
    return best;
  }

  axes.forEach((axis, at) => {
    const grip = axis.querySelector(".grip");
    let start = null;
    grip.addEventListener("pointerdown", (event) => {
      start = pixels(event)[1];
      grip.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    grip.addEventListener("pointermove", (event) => {
      if (start === null) return;
      const y = pixels(event)[1];
      brushes.set(at, [Math.min(start, y), Math.max(start, y)]);
      update();
    });
    const finish = (event) => {
      if (start !== null && Math.abs(pixels(event)[1] - start) < 3) brushes.delete(at);
      start = null;
      update();
    };
    grip.addEventListener("pointerup", finish);
    grip.addEventListener("pointercancel", finish);
  });
  clear.addEventListener("click", () => { brushes.clear(); update(); });
  figure.addEventListener("pointermove", (event) => light(nearest(pixels(event))));
  figure.addEventListener("pointerleave", () => light(null));
  for (const thread of threads) {
    if (!thread.row) continue;
    thread.row.addEventListener("pointerenter", () => light(thread));
    thread.row.addEventListener("pointerleave", () => light(null));
  }
  update();
}
