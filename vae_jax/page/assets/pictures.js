/* Images and the colours of their classes. */

function classColor(label) {
  return page.colors[label % page.colors.length];
}

function picture(id, title) {
  const canvas = make("canvas", { id, role: "img", "aria-label": title });
  const caption = make("figcaption");
  return { canvas, caption, element: make("div", { class: "picture" }, canvas, caption) };
}

/** Paints pixels from 0 to 255, grey or RGB, in row-major order. */
function paint({ canvas }, pixels, [height, width, channels]) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[i * channels + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
