// The page's 3D views. One WebGL context draws every view and copies the picture into that view's own 2D canvas:
// browsers allow about sixteen contexts, and a copied picture stays in place while the page scrolls.
import {
  Box3, BufferAttribute, BufferGeometry, Color, DirectionalLight, DoubleSide, HemisphereLight, IcosahedronGeometry,
  InstancedMesh, Matrix4, Mesh, MeshLambertMaterial, PerspectiveCamera, Scene, SRGBColorSpace, Spherical, Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";

const PLAIN = new Color("#b9c0c9");
const CREASE = Math.cos((40 * Math.PI) / 180);
const FIELD_OF_VIEW = 30;

async function unpack(text, ArrayType) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new ArrayType(await new Response(stream).arrayBuffer());
}

// Every triangle gets its own corners; a corner's normal is the mean of the neighbours that meet it at less than the
// crease angle, so that round parts look round and edges stay sharp.
function corners(positions, faces) {
  const faceCount = faces.length / 3;
  const normals = new Float32Array(faces.length);
  const a = new Vector3(), b = new Vector3(), c = new Vector3();
  for (let face = 0; face < faceCount; face++) {
    a.fromArray(positions, 3 * faces[3 * face]);
    b.fromArray(positions, 3 * faces[3 * face + 1]).sub(a);
    c.fromArray(positions, 3 * faces[3 * face + 2]).sub(a);
    b.cross(c).toArray(normals, 3 * face);
  }
  const starts = new Uint32Array(positions.length / 3 + 1);
  for (const vertex of faces) starts[vertex + 1]++;
  for (let vertex = 1; vertex < starts.length; vertex++) starts[vertex] += starts[vertex - 1];
  const around = new Uint32Array(faces.length), fill = starts.slice();
  for (let corner = 0; corner < faces.length; corner++) around[fill[faces[corner]]++] = Math.floor(corner / 3);

  const cornerPositions = new Float32Array(3 * faces.length), cornerNormals = new Float32Array(3 * faces.length);
  const own = new Vector3(), other = new Vector3(), sum = new Vector3();
  for (let corner = 0; corner < faces.length; corner++) {
    const vertex = faces[corner];
    own.fromArray(normals, 3 * Math.floor(corner / 3)).normalize();
    sum.set(0, 0, 0);
    for (let at = starts[vertex]; at < starts[vertex + 1]; at++) {
      other.fromArray(normals, 3 * around[at]);
      if (other.dot(own) >= CREASE * other.length()) sum.add(other);
    }
    (sum.lengthSq() > 0 ? sum.normalize() : own).toArray(cornerNormals, 3 * corner);
    for (let axis = 0; axis < 3; axis++) cornerPositions[3 * corner + axis] = positions[3 * vertex + axis];
  }
  return { cornerPositions, cornerNormals };
}

async function placed(data, origin, step) {
  const lattice = await unpack(data.positions, Uint16Array);
  return Float32Array.from(lattice, (value, at) => origin[at % 3] + step * value);
}

class Surface {
  static async decode(data, origin, step) {
    const faces = await unpack(data.faces, data.wide ? Uint32Array : Uint16Array);
    const { cornerPositions, cornerNormals } = corners(await placed(data, origin, step), faces);
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(cornerPositions, 3));
    geometry.setAttribute("normal", new BufferAttribute(cornerNormals, 3));
    geometry.setAttribute("color", new BufferAttribute(new Float32Array(cornerPositions.length), 3));
    geometry.computeBoundingBox();
    const levels = {};
    for (const [name, text] of Object.entries(data.attributes)) {
      const values = await unpack(text, Uint8Array);
      levels[name] = Uint8Array.from(faces, (vertex) => values[vertex]);
    }
    return new Surface(geometry, levels);
  }

  constructor(geometry, levels) {
    const object = new Mesh(geometry, new MeshLambertMaterial({ vertexColors: true, side: DoubleSide }));
    Object.assign(this, { object, levels, box: geometry.boundingBox });
  }

  paint(name, table) {
    const colours = this.object.geometry.getAttribute("color"), levels = this.levels[name];
    for (let corner = 0; corner < colours.count; corner++) {
      const colour = levels ? table[levels[corner]] : PLAIN;
      colours.setXYZ(corner, colour.r, colour.g, colour.b);
    }
    colours.needsUpdate = true;
  }
}

// A small ball for every point: unlike flat dots, balls are lit and hide each other.
class Cloud {
  static async decode(data, origin, step) {
    const positions = await placed(data, origin, step), levels = {};
    for (const [name, text] of Object.entries(data.attributes)) levels[name] = await unpack(text, Uint8Array);
    return new Cloud(positions, data.radius, levels);
  }

  constructor(positions, radius, levels) {
    const count = positions.length / 3, place = new Matrix4();
    const object = new InstancedMesh(new IcosahedronGeometry(radius, 1), new MeshLambertMaterial(), count);
    for (let at = 0; at < count; at++) {
      object.setMatrixAt(at, place.setPosition(positions[3 * at], positions[3 * at + 1], positions[3 * at + 2]));
    }
    object.frustumCulled = false;
    Object.assign(this, { object, levels, count, box: new Box3().setFromArray(positions) });
  }

  paint(name, table) {
    const levels = this.levels[name];
    for (let at = 0; at < this.count; at++) this.object.setColorAt(at, levels ? table[levels[at]] : PLAIN);
    this.object.instanceColor.needsUpdate = true;
  }
}

// The colouring's table in linear light: entries 0..254 along the bar, or one colour for each label; 255 for what has
// no value.
function linearTable(colouring) {
  const table = [], last = colouring.labels ? 254 : 255;
  for (let level = 0; level < 255; level++) {
    const entry = 3 * Math.round((level * last) / 254);
    const [red, green, blue] = colouring.table.slice(entry, entry + 3).map((value) => value / 255);
    table.push(new Color().setRGB(red, green, blue, SRGBColorSpace));
  }
  return [...table, PLAIN];
}

function light(scene, camera) {
  scene.add(new HemisphereLight(0xffffff, 0xb5b8c0, 2.3), camera);
  const key = new DirectionalLight(0xffffff, 1.5);
  key.position.set(0.6, 0.9, 1.2);
  camera.add(key, key.target);
  key.target.position.set(0, 0, -1);
}

class Pair {
  constructor(figure, shape, gallery) {
    Object.assign(this, { shape, gallery, element: figure.querySelector(".pair"), models: {}, visible: false, ready: false });
    this.canvases = Object.fromEntries([...figure.querySelectorAll("canvas")].map((canvas) => [canvas.dataset.side, canvas]));
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.01, 100);
    light(this.scene, this.camera);
    this.controls = new OrbitControls(this.camera, this.element);
    this.controls.enableZoom = false;
    // A finger that moves up or down scrolls the page; OrbitControls would take every touch.
    this.element.style.touchAction = "pan-y";
    this.controls.addEventListener("change", () => this.moved());
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("pointerdown", () => this.element.focus({ preventScroll: true }));
    // The wheel scrolls the page until a view is chosen.
    this.element.addEventListener("focus", () => { this.controls.enableZoom = true; });
    this.element.addEventListener("blur", () => { this.controls.enableZoom = false; });
    this.element.addEventListener("dblclick", () => this.reset());
    new IntersectionObserver(([entry]) => this.seen(entry.isIntersecting), { rootMargin: "300px" }).observe(this.element);
    new ResizeObserver(() => this.redraw()).observe(this.element);
  }

  async seen(visible) {
    this.visible = visible;
    if (visible && !this.loading) {
      this.loading = this.load();
      await this.loading;
    }
    this.redraw();
  }

  async load() {
    const box = { low: new Vector3(Infinity, Infinity, Infinity), high: new Vector3(-Infinity, -Infinity, -Infinity) };
    for (const side of Object.keys(this.canvases)) {
      const data = this.shape[side];
      const model = await (data.faces ? Surface : Cloud).decode(data, this.shape.origin, this.shape.step);
      this.scene.add(model.object);
      box.low.min(model.box.min);
      box.high.max(model.box.max);
      this.models[side] = model;
    }
    this.centre = box.low.clone().add(box.high).multiplyScalar(0.5);
    this.radius = Math.max(box.high.distanceTo(box.low) / 2, 1e-6);
    this.ready = true;
    this.paint();
    this.reset();
  }

  // Seen from the front left and a little above; a shape's front looks along -z where y is up, along -y where z is.
  reset() {
    if (!this.ready) return;
    const upZ = this.gallery.up === "z";
    this.camera.up.set(0, upZ ? 0 : 1, upZ ? 1 : 0);
    this.controls._quat?.setFromUnitVectors(this.camera.up, new Vector3(0, 1, 0));
    this.controls._quatInverse?.copy(this.controls._quat).invert();
    const distance = (1.08 * this.radius) / Math.sin((FIELD_OF_VIEW * Math.PI) / 360);
    const towards = upZ ? new Vector3(0.62, -1, 0.5) : new Vector3(0.62, 0.5, -1);
    this.controls.target.copy(this.centre);
    this.camera.position.copy(this.centre).addScaledVector(towards.normalize(), distance);
    Object.assign(this.camera, { near: distance / 100, far: distance * 20 });
    this.camera.updateProjectionMatrix();
    this.controls.update();
    this.moved();
  }

  key(event) {
    const turn = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const zoom = { "+": 0.88, "=": 0.88, "-": 1 / 0.88 }[event.key];
    if (!turn && !zoom && event.key !== "Home") return;
    event.preventDefault();
    if (event.key === "Home") this.reset();
    else this.orbit(...(turn ?? [0, 0]), zoom ?? 1);
  }

  orbit(sideways, upwards, zoom) {
    const toY = this.gallery.up === "z" ? -Math.PI / 2 : 0, axis = new Vector3(1, 0, 0);
    const offset = this.camera.position.clone().sub(this.controls.target).applyAxisAngle(axis, toY);
    const at = new Spherical().setFromVector3(offset);
    at.theta += 0.13 * sideways;
    at.phi += 0.13 * upwards;
    at.radius *= zoom;
    offset.setFromSpherical(at.makeSafe()).applyAxisAngle(axis, -toY);
    this.camera.position.copy(this.controls.target).add(offset);
    this.controls.update();
    this.moved();
  }

  moved() {
    if (!this.ready || this.following) return;
    if (this.gallery.together) this.gallery.follow(this);
    this.redraw();
  }

  // Another pair's view, relative to the shapes' centres and sizes.
  take(leader) {
    if (!this.ready) return;
    this.following = true;
    const scale = this.radius / leader.radius;
    const shift = (point) => point.clone().sub(leader.centre).multiplyScalar(scale).add(this.centre);
    this.controls.target.copy(shift(leader.controls.target));
    this.camera.position.copy(shift(leader.camera.position));
    this.controls.update();
    this.following = false;
    this.redraw();
  }

  paint() {
    const name = this.gallery.colouring;
    for (const model of Object.values(this.models)) model.paint(name, this.gallery.tables[name]);
    this.redraw();
  }

  redraw() {
    if (!this.ready || !this.visible || this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      for (const side of Object.keys(this.canvases)) this.draw(side);
    });
  }

  draw(side) {
    const canvas = this.canvases[side], ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height) return;
    for (const [name, model] of Object.entries(this.models)) model.object.visible = name === side;
    const { renderer } = this.gallery;
    const drawn = renderer.domElement;
    if (drawn.width !== width || drawn.height !== height) renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    renderer.render(this.scene, this.camera);
    Object.assign(canvas, { width, height });
    canvas.getContext("2d").drawImage(drawn, 0, 0);
  }
}

class Gallery {
  constructor(section, renderer) {
    Object.assign(this, { section, renderer, up: "y", together: false, colouring: "" });
    const data = JSON.parse(document.getElementById(section.dataset.gallery).textContent);
    this.colourings = Object.fromEntries(data.colourings.map((colouring) => [colouring.name, colouring]));
    this.tables = Object.fromEntries(data.colourings.map((colouring) => [colouring.name, linearTable(colouring)]));
    this.pairs = [...section.querySelectorAll("[data-shape]")].map((figure) => new Pair(figure, data.shapes[figure.dataset.shape], this));
    for (const radio of section.querySelectorAll(".segments input")) {
      radio.addEventListener("change", () => this.colourBy(radio.value));
      if (radio.checked) this.colourBy(radio.value);
    }
    section.querySelector("[data-together]").addEventListener("change", (event) => {
      this.together = event.target.checked;
      if (this.together) this.follow(this.pairs[0]);
    });
    section.querySelector("[data-up]").addEventListener("change", (event) => {
      this.up = event.target.value;
      this.pairs.forEach((pair) => pair.reset());
    });
  }

  colourBy(name) {
    this.colouring = name;
    this.pairs.forEach((pair) => pair.paint());
    const bar = this.section.querySelector("[data-bar]"), colouring = this.colourings[name];
    bar.hidden = !colouring;
    if (!colouring) return;
    bar.querySelector(".title").textContent = colouring.label;
    for (const part of bar.querySelectorAll(".strip, .ticks")) part.hidden = Boolean(colouring.labels);
    if (colouring.labels) return;
    const stops = Array.from({ length: 33 }, (_, at) => `rgb(${colouring.table.slice(3 * Math.round((at * 255) / 32)).slice(0, 3)})`);
    bar.querySelector(".strip").style.background = `linear-gradient(to right, ${stops})`;
    bar.querySelector(".ticks").replaceChildren(...colouring.ticks.map((tick) => Object.assign(document.createElement("span"), { textContent: tick })));
  }

  follow(leader) {
    if (leader.ready) this.pairs.filter((pair) => pair !== leader).forEach((pair) => pair.take(leader));
  }
}

function start() {
  const sections = [...document.querySelectorAll("section.gallery")];
  let renderer;
  try {
    renderer = new WebGLRenderer({ antialias: true, alpha: true, preserveDrawingBuffer: true });
    renderer.setPixelRatio(1);
  } catch {
    for (const section of sections) section.querySelector("[data-no-webgl]").hidden = false;
    return;
  }
  for (const section of sections) new Gallery(section, renderer);
}

start();
