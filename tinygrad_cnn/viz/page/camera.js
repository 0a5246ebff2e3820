// ---- The camera: what part of the graph the canvas shows, and how large.

const ZOOM = { least: 0.005, most: 4, step: 1.25, readable: 0.75 };

function newCamera(canvas, layer) {
  const camera = { x: 0, y: 0, zoom: 1, width: 0, height: 0 };
  const size = () => canvas.getBoundingClientRect();

  camera.apply = () => layer.setAttribute("transform", `translate(${at(camera.x, camera.y)}) scale(${camera.zoom.toFixed(4)})`);
  camera.pan = (dx, dy) => {
    camera.x += dx;
    camera.y += dy;
    camera.apply();
  };
  camera.zoomBy = (factor, x = size().width / 2, y = size().height / 2) => {
    const zoom = Math.min(ZOOM.most, Math.max(ZOOM.least, camera.zoom * factor));
    camera.x = x - ((x - camera.x) * zoom) / camera.zoom;
    camera.y = y - ((y - camera.y) * zoom) / camera.zoom;
    camera.zoom = zoom;
    camera.apply();
  };
  // The whole graph; with `least`, as much of it from the top as is readable.
  camera.fit = (scene, least = ZOOM.least) => {
    const { width, height } = size(), margin = 24;
    const whole = Math.min((width - 2 * margin) / Math.max(1, scene.width), (height - 2 * margin) / Math.max(1, scene.height), 1.2);
    camera.zoom = Math.max(whole, least, ZOOM.least);
    camera.x = (width - scene.width * camera.zoom) / 2;
    camera.y = Math.max(margin, (height - scene.height * camera.zoom) / 2);
    if (scene.height * camera.zoom > height - 2 * margin) camera.y = margin;
    camera.apply();
  };
  camera.reveal = item => {
    const { width, height } = size(), margin = 40;
    const left = item.x * camera.zoom + camera.x, top = item.y * camera.zoom + camera.y;
    const right = left + item.boxWidth * camera.zoom, bottom = top + Math.min(item.boxHeight * camera.zoom, height - 3 * margin);
    const shift = (low, high, end) => (low < margin ? margin - low : high > end - margin ? Math.max(end - margin - high, margin - low) : 0);
    camera.pan(shift(left, right, width), shift(top, bottom, height));
  };
  camera.centre = item => {
    const { width, height } = size();
    camera.zoom = Math.max(camera.zoom, ZOOM.readable);
    camera.x = width / 2 - (item.x + item.boxWidth / 2) * camera.zoom;
    camera.y = height / 2 - (item.y + Math.min(item.boxHeight, (height * 0.8) / camera.zoom) / 2) * camera.zoom;
    camera.apply();
  };
  return camera;
}

// Drag with one pointer, pinch with two, zoom with the wheel.
function startPointers(canvas, camera) {
  const pointers = new Map();
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return { distance: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };
  canvas.addEventListener("pointerdown", event => pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, moved: 0 }));
  canvas.addEventListener("pointermove", event => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const before = pointers.size === 2 ? spread() : null;
    const moved = last.moved + Math.abs(event.clientX - last.x) + Math.abs(event.clientY - last.y);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, moved });
    if (before) {
      const after = spread(), { left, top } = canvas.getBoundingClientRect();
      camera.pan(after.x - before.x, after.y - before.y);
      camera.zoomBy(after.distance / Math.max(1, before.distance), after.x - left, after.y - top);
    } else if (moved > 4) {
      canvas.setPointerCapture(event.pointerId); // not before it is a drag, or a click would lose its target
      canvas.classList.add("dragging");
      camera.pan(event.clientX - last.x, event.clientY - last.y);
    }
  });
  const end = event => {
    pointers.delete(event.pointerId);
    setTimeout(() => canvas.classList.remove("dragging")); // after the click that ends a drag
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    const { left, top } = canvas.getBoundingClientRect();
    const speed = event.ctrlKey ? 0.01 : event.deltaMode === 1 ? 0.05 : 0.0015; // ctrl: a pinch on a touchpad
    camera.zoomBy(Math.exp(-event.deltaY * speed), event.clientX - left, event.clientY - top);
  }, { passive: false });
}
