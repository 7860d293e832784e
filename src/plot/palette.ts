/** The colours of every figure: a series palette and a heat scale that people with any colour vision can tell apart. */

/** Okabe and Ito's colours (https://jfly.uni-koeln.de/color/), the yellow left out: too pale for lines on white. */
export const series = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"] as const;

export const ink = "#222222";
export const dim = "#767676";
export const grid = "#e4e4e4";
export const paper = "#ffffff";
/** A word that a region matches, a right hit; always beside a second sign (a chip, a tick), never colour alone. */
export const right = "#0072b2";
export const wrong = "#d55e00";

/** Over pictures, always with a dark edge or another shape: where a thing is, and a point that misses it. */
export const trueBox = "#00e0c0";
export const missed = "#ff8c50";

export const fontFamily = "DejaVu Sans, Verdana, sans-serif";

/** Heat maps are drawn in this many steps: level 0 is transparent, so pictures stay small and can be read back exactly. */
export const heatLevels = 24;

/** The step of the heat scale for a value of 0 .. `max`; 0 for NaN and for what is not positive. */
export function heatLevel(value: number, max: number): number {
  if (!(value > 0) || !(max > 0)) return 0;
  return Math.min(heatLevels - 1, Math.round((value / max) * (heatLevels - 1)));
}

/** A colour of the series palette, going round when there are more series than colours. */
export function seriesColour(index: number): string {
  return series[index % series.length] ?? ink;
}

/** A colour #rrggbb that lets through what is behind it; `alpha` 0 .. 1. */
export function transparent(colour: string, alpha: number): string {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return `rgba(${String(r)},${String(g)},${String(b)},${String(alpha)})`;
}

/**
 * The heat scale: level 0 .. heatLevels-1 -> [red, green, blue, alpha], each 0 .. 255. Straight in OKLCH (Ottosson 2020) from light
 * yellow to deep purple-red, so lightness falls evenly with the value: it reads the same in greyscale and in any colour vision.
 */
export function heatColour(level: number): [number, number, number, number] {
  const t = level / (heatLevels - 1);
  const lightness = 0.95 - 0.58 * t;
  const chroma = 0.13 + 0.06 * Math.sin(Math.PI * Math.min(1, t * 1.1));
  const hue = (105 - 115 * t) * (Math.PI / 180);
  const [r, g, b] = oklabToRgb(lightness, chroma * Math.cos(hue), chroma * Math.sin(hue));
  return [r, g, b, level === 0 ? 0 : Math.round(255 * (0.3 + 0.6 * t ** 0.7))];
}

/** OKLab -> sRGB bytes, clipped (matrices of B. Ottosson, "A perceptual color space for image processing"). */
function oklabToRgb(L: number, a: number, b: number): [number, number, number] {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    toByte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    toByte(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    toByte(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

function toByte(linear: number): number {
  const v = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.round(255 * Math.min(1, Math.max(0, v)));
}
