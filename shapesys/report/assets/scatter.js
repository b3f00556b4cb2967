// The scatter of a comparison: one mark per shape, baseline against another run. No library, no network.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const LEFT = 70, RIGHT = 600, TOP = 14, BOTTOM = 510, NEAR = 18;
  const MARKS = [
    (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
    (x, y, r) => `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
    (x, y, r) => `M${x} ${y - 1.3 * r}l${1.2 * r} ${2.2 * r}h${-2.4 * r}z`,
    (x, y, r) => `M${x} ${y - 1.3 * r}l${1.3 * r} ${1.3 * r}l${-1.3 * r} ${1.3 * r}l${-1.3 * r} ${-1.3 * r}z`,
  ];

  const make = (parent, tag, attributes = {}, text = "") => {
    const element = parent.namespaceURI === SVG ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text) element.textContent = text;
    parent.append(element);
    return element;
  };
  const say = (value) => (value === null ? "–" : Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5 || value === 0 ? String(Number(value.toPrecision(4))) : value.toExponential(2));

  function linearTicks(low, high) {
    const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    return Array.from({ length: 12 }, (_, at) => (Math.ceil(low / step) + at) * step).filter((tick) => tick <= high).map((tick) => Number(tick.toPrecision(10)));
  }

  function logTicks(low, high) {
    const wide = high / low > 200, ticks = [];
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
      for (const factor of wide ? [1] : [1, 2, 5]) ticks.push(Number((factor * 10 ** power).toPrecision(3)));
    }
    return ticks.filter((tick) => tick >= low && tick <= high);
  }

  class Scatter {
    constructor(section) {
      this.data = JSON.parse(document.getElementById(section.dataset.scatter).textContent);
      const find = (name) => section.querySelector(`[data-${name}]`);
      Object.assign(this, { metric: find("metric"), other: find("other"), log: find("log"), legend: find("legend"), said: find("said"), only: "", pinned: -1 });
      this.svg = section.querySelector("svg");
      this.kinds = [...new Set(this.data.categories)].sort();
      this.places = new Map([...document.querySelectorAll(`[id^="${section.dataset.views}-"][data-id]`)].map((figure) => [figure.dataset.id, figure]));
      this.data.metrics.forEach((metric, at) => make(this.metric, "option", { value: at }, metric.name + (metric.mixed ? " ≠ other definition" : "")));
      this.data.names.slice(1).forEach((name, at) => make(this.other, "option", { value: at + 1 }, name));
      this.metric.value = Math.max(0, this.data.metrics.findIndex((metric) => metric.name === this.data.chosen));
      this.metric.addEventListener("change", () => this.changed());
      this.other.addEventListener("change", () => this.changed());
      this.log.addEventListener("change", () => this.draw());
      this.svg.addEventListener("pointermove", (event) => this.over(event));
      this.svg.addEventListener("pointerleave", () => this.tell(this.pinned));
      this.svg.addEventListener("click", (event) => this.choose(this.nearest(event)));
      this.svg.addEventListener("keydown", (event) => this.key(event));
      this.kinds.forEach((kind, at) => this.entry(kind, at));
      this.legend.hidden = this.kinds.length < 2;
      this.changed();
    }

    // Distances spread over decades; shares do not.
    changed() {
      const finite = this.pairs().flatMap(([, x, y]) => [x, y]);
      const able = finite.length > 0 && finite.every((value) => value > 0);
      this.log.disabled = !able;
      this.log.checked = able && this.chosen().better < 0 && Math.max(...finite) > 8 * Math.min(...finite);
      this.pinned = -1;
      this.draw();
    }

    chosen() { return this.data.metrics[Number(this.metric.value)]; }

    pairs() {
      const { values } = this.chosen(), others = values[Number(this.other.value)];
      return this.data.shapes.map((_, at) => [at, values[0][at], others[at]]).filter(([, x, y]) => x !== null && y !== null);
    }

    entry(kind, at) {
      const button = make(make(this.legend, "li"), "button", { "aria-pressed": "false" });
      const mark = make(button, "span");
      mark.innerHTML = `<svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true"><path/></svg>`;
      const path = mark.querySelector("path");
      path.setAttribute("d", this.markOf(at)(6, 6, 4));
      path.setAttribute("fill", this.colour(at));
      button.append(kind || "no category");
      button.addEventListener("click", () => {
        this.only = this.only === kind ? "" : kind;
        for (const other of this.legend.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button && this.only !== ""));
        this.draw();
      });
    }

    colour(kind) { return this.data.colours[kind % this.data.colours.length]; }
    markOf(kind) { return MARKS[Math.floor(kind / this.data.colours.length) % MARKS.length]; }

    scale(finite) {
      const log = this.log.checked, low = Math.min(...finite), high = Math.max(...finite);
      const pad = log ? (high / low) ** 0.05 || 1 : (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
      const [from, to] = log ? [low / Math.max(pad, 1.05), high * Math.max(pad, 1.05)] : [low - pad, high + pad];
      const bend = log ? Math.log : (value) => value;
      const share = (value) => (bend(value) - bend(from)) / (bend(to) - bend(from));
      this.x = (value) => LEFT + share(value) * (RIGHT - LEFT);
      this.y = (value) => BOTTOM - share(value) * (BOTTOM - TOP);
      return log ? logTicks(from, to) : linearTicks(from, to);
    }

    draw() {
      this.svg.replaceChildren();
      const pairs = this.pairs(), metric = this.chosen();
      if (!pairs.length) {
        make(this.svg, "text", { x: (LEFT + RIGHT) / 2, y: 240, class: "tick", "text-anchor": "middle" }, "no shape has this metric in both runs");
        this.points = [];
        return this.tell(-1);
      }
      const ticks = this.scale(pairs.flatMap(([, x, y]) => [x, y]));
      this.axes(ticks, metric);
      // Those in 3D last, so that none lies under others.
      const shown = (at) => Number(this.places.has(this.data.shapes[at]));
      const radius = pairs.length > 500 ? 3 : 4.5;
      this.points = pairs.sort((a, b) => shown(a[0]) - shown(b[0])).map(([at, x, y]) => this.point(at, x, y, radius));
      this.ring = make(this.svg, "path", { class: "ring" });
      this.tell(this.pinned);
    }

    axes(ticks, metric) {
      for (const tick of ticks) {
        make(this.svg, "path", { class: "grid", d: `M${this.x(tick)} ${TOP}V${BOTTOM}M${LEFT} ${this.y(tick)}H${RIGHT}` });
        make(this.svg, "text", { class: "tick", x: this.x(tick), y: BOTTOM + 18, "text-anchor": "middle" }, say(tick));
        make(this.svg, "text", { class: "tick", x: LEFT - 8, y: this.y(tick) + 4, "text-anchor": "end" }, say(tick));
      }
      make(this.svg, "path", { class: "diagonal", d: `M${LEFT} ${BOTTOM}L${RIGHT} ${TOP}` });
      const [first, other] = [this.data.names[0], this.data.names[Number(this.other.value)]];
      make(this.svg, "text", { class: "title", x: (LEFT + RIGHT) / 2, y: BOTTOM + 42, "text-anchor": "middle" }, first);
      make(this.svg, "text", { class: "title", transform: `translate(16 ${(TOP + BOTTOM) / 2}) rotate(-90)`, "text-anchor": "middle" }, other);
      if (!metric.better) return;
      const above = metric.better > 0 ? other : first, below = metric.better > 0 ? first : other;
      make(this.svg, "text", { class: "side", x: LEFT + 10, y: TOP + 18 }, `${above} better`);
      make(this.svg, "text", { class: "side", x: RIGHT - 10, y: BOTTOM - 10, "text-anchor": "end" }, `${below} better`);
    }

    point(at, valueX, valueY, radius) {
      const kind = this.kinds.indexOf(this.data.categories[at]), id = this.data.shapes[at];
      const x = this.x(valueX), y = this.y(valueY), faint = this.only !== "" && this.only !== this.data.categories[at];
      const shown = this.places.has(id) ? " shown" : "";
      make(this.svg, "path", { class: `mark${shown}${faint ? " faint" : ""}`, d: this.markOf(kind)(x, y, radius), fill: this.colour(kind) });
      return { at, x, y, valueX, valueY, faint };
    }

    nearest(event) {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
      let found = -1, least = NEAR;
      this.points.forEach((point, index) => {
        const far = Math.hypot(point.x - at.x, point.y - at.y);
        if (!point.faint && far < least) [found, least] = [index, far];
      });
      return found;
    }

    over(event) {
      const found = this.nearest(event);
      this.svg.style.cursor = found < 0 ? "" : "pointer";
      this.tell(found < 0 ? this.pinned : found);
    }

    choose(index) {
      this.pinned = index;
      this.tell(index);
      const figure = index < 0 ? undefined : this.places.get(this.data.shapes[this.points[index].at]);
      if (!figure) return;
      figure.scrollIntoView({ behavior: "smooth", block: "center" });
      figure.classList.remove("flash");
      void figure.offsetWidth;
      figure.classList.add("flash");
    }

    // Left and right walk from the shape on which the baseline is furthest ahead to the opposite one.
    key(event) {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Enter") this.choose(this.pinned);
      if (!step || !this.points.length) return;
      event.preventDefault();
      const gain = (index) => (this.x(this.points[index].valueY) - this.x(this.points[index].valueX)) * (this.chosen().better || 1);
      const order = this.points.map((_, index) => index).sort((a, b) => gain(a) - gain(b));
      const place = order.indexOf(this.pinned);
      this.pinned = order[place < 0 ? (step > 0 ? 0 : order.length - 1) : Math.min(Math.max(place + step, 0), order.length - 1)];
      this.tell(this.pinned);
    }

    tell(index) {
      const point = this.points[index];
      this.ring?.setAttribute("d", point ? MARKS[0](point.x, point.y, 9) : "");
      this.said.replaceChildren();
      if (!point) {
        this.said.textContent = `${this.points.length} shapes${this.data.of > this.data.shapes.length ? `, drawn at random from ${this.data.of}` : ""}. Point at one for its name; click to see it in 3D where it is ringed.`;
        return;
      }
      const id = this.data.shapes[point.at], shown = this.places.has(id);
      make(this.said, "b", {}, id);
      make(this.said, "span", {}, this.data.categories[point.at]);
      make(this.said, "span", {}, `${this.data.names[0]} ${say(point.valueX)}`);
      make(this.said, "span", {}, `${this.data.names[Number(this.other.value)]} ${say(point.valueY)}`);
      make(this.said, "span", {}, shown ? "click to see it in 3D" : "not among the shapes in 3D");
    }
  }

  for (const section of document.querySelectorAll("section.scatter")) new Scatter(section);
})();
