/** The kernel's picture in launchers: patches of an image lit by attention, and the caption whose words light them. */

const size = 64;

/** Sixteen patches around one peak, three words below; the middle word is the one that looks. */
export function logoSvg(): string {
  const peak = { x: 2.1, y: 0.9 };
  const patches = Array.from({ length: 16 }, (_, i) => {
    const [column, row] = [i % 4, Math.floor(i / 4)];
    const light = Math.exp(-((column - peak.x) ** 2 + (row - peak.y) ** 2) / 1.6);
    return `<rect x="${14 + column * 9.2}" y="${7 + row * 9.2}" width="8" height="8" rx="1.6" fill="${warm(light)}"/>`;
  });
  const words = [
    { x: 9, width: 12, fill: "#7f93c9" },
    { x: 24, width: 19, fill: warm(1) },
    { x: 46, width: 9, fill: "#7f93c9" },
  ].map(({ x, width, fill }) => `<rect x="${x}" y="49.5" width="${width}" height="6" rx="3" fill="${fill}"/>`);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" width="${size}" height="${size}">` +
    `<rect width="${size}" height="${size}" rx="12" fill="#1d2b53"/>${patches.join("")}${words.join("")}</svg>\n`
  );
}

/** From the cool blue of an unlit patch (0) to the orange of the strongest one (1). */
function warm(light: number): string {
  const [cold, hot] = [
    [58, 78, 134],
    [255, 163, 0],
  ] as const;
  const channel = (i: 0 | 1 | 2): string =>
    Math.round(cold[i] + (hot[i] - cold[i]) * light)
      .toString(16)
      .padStart(2, "0");
  return `#${channel(0)}${channel(1)}${channel(2)}`;
}
