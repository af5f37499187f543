/** Pictures painted on a canvas, in place of cameras and screens. */

const WIDTH = 640;
const HEIGHT = 360;

export function paintedCamera(seed: number): MediaStream {
  const hue = (seed * 67 + 20) % 360;
  return painted((pen, at) => {
    const light = pen.createLinearGradient(0, 0, WIDTH, HEIGHT);
    light.addColorStop(0, `hsl(${hue} 30% 74%)`);
    light.addColorStop(1, `hsl(${(hue + 40) % 360} 34% 46%)`);
    pen.fillStyle = light;
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    pen.fillStyle = `hsl(${hue} 24% 86% / 0.65)`;
    pen.fillRect(60, 40, 130, 170);
    const sway = Math.sin(at / 900 + seed) * 6;
    pen.fillStyle = `hsl(${(hue + 180) % 360} 34% 34%)`;
    pen.beginPath();
    pen.ellipse(330 + sway, 400, 170, 165, 0, 0, 2 * Math.PI);
    pen.fill();
    pen.fillStyle = ["#f1c9a5", "#8d5a3b", "#c98f68", "#5b3a29", "#e7b48f"][seed % 5] ?? "#f1c9a5";
    pen.fillRect(300 + sway, 195, 60, 70);
    pen.beginPath();
    pen.ellipse(330 + sway, 150, 66, 82, 0, 0, 2 * Math.PI);
    pen.fill();
    pen.fillStyle = ["#2b1d14", "#6b4423", "#191919", "#a8a29a", "#3b2314"][(seed + 2) % 5] ?? "#2b1d14";
    pen.beginPath();
    pen.ellipse(330 + sway, 108, 72, 58, 0, Math.PI, 2 * Math.PI);
    pen.fill();
  });
}

export function paintedScreen(): MediaStream {
  return painted((pen) => {
    pen.fillStyle = "#fdfdfb";
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    pen.fillStyle = "#0f5f4c";
    pen.font = "600 30px sans-serif";
    pen.fillText("Garden plan, spring", 40, 66);
    pen.fillStyle = "#8fa89c";
    [150, 210, 120, 260, 190].forEach((height, index) => pen.fillRect(50 + index * 110, 340 - height, 74, height));
  });
}

function painted(paint: (pen: CanvasRenderingContext2D, at: number) => void): MediaStream {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const pen = canvas.getContext("2d");
  if (pen === null) throw new Error("no canvas");
  paint(pen, 0);
  setInterval(() => paint(pen, performance.now()), 200);
  return canvas.captureStream(5);
}
