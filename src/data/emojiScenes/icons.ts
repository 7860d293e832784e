/** The artists' icons as sprites: SVG from the npm packages, rasterised once each and kept. */
import { readFileSync } from "node:fs";
import path from "node:path";
import sharp from "sharp";
import { AmsError } from "../../errors.js";
import type { Sprite } from "./canvas.js";
import type { Artist } from "./objects.js";

/** The part of Iconify's JSON that is used. */
interface IconSet {
  icons: Record<string, { body: string; width?: number; height?: number } | undefined>;
  aliases?: Record<string, { parent: string } | undefined>;
  width?: number;
  height?: number;
}

const sets = new Map<Artist, IconSet>();
const sprites = new Map<string, Promise<Sprite>>();

/** The folder of an artist's npm package. */
function packageFolder(artist: Artist): string {
  try {
    return path.dirname(require.resolve(`@iconify-json/${artist}/package.json`));
  } catch (cause) {
    throw new AmsError(`the icons of ${artist} are not installed`, {
      where: `package @iconify-json/${artist}`,
      hint: "run npm ci in the folder of this package",
      cause,
    });
  }
}

/** Version of an artist's package, for the manifest of a generated set. */
export function artistVersion(artist: Artist): string {
  const file = path.join(packageFolder(artist), "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** The icon as SVG text, drawn into a square of `side` pixels. */
export function iconSvg(artist: Artist, name: string, side: number): string {
  let set = sets.get(artist);
  if (set === undefined) {
    set = JSON.parse(readFileSync(path.join(packageFolder(artist), "icons.json"), "utf8")) as IconSet;
    sets.set(artist, set);
  }
  const icon = set.icons[name] ?? set.icons[set.aliases?.[name]?.parent ?? ""];
  if (icon === undefined) {
    throw new AmsError(`${artist} has no icon "${name}"`, {
      where: `package @iconify-json/${artist}`,
      hint: "run npm ci to get the versions that this package was made with",
    });
  }
  const box = `0 0 ${String(icon.width ?? set.width ?? 16)} ${String(icon.height ?? set.height ?? 16)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${String(side)}" height="${String(side)}" viewBox="${box}">${icon.body}</svg>`;
}

/** Rasterised at `side` pixels (a power of two) with halved copies down to 16. */
export function loadSprite(artist: Artist, name: string, side: number): Promise<Sprite> {
  const key = `${artist}/${name}/${String(side)}`;
  let sprite = sprites.get(key);
  if (sprite === undefined) {
    sprite = rasterise(artist, name, side);
    sprites.set(key, sprite);
  }
  return sprite;
}

async function rasterise(artist: Artist, name: string, side: number): Promise<Sprite> {
  const raw = await sharp(Buffer.from(iconSvg(artist, name, side)))
    .ensureAlpha()
    .raw()
    .toBuffer();
  const data = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 4) {
    const alpha = raw[i + 3]! / 255;
    for (let k = 0; k < 3; k++) data[i + k] = Math.round(raw[i + k]! * alpha);
    data[i + 3] = raw[i + 3]!;
  }
  const levels: Sprite["levels"] = [];
  for (let level = { side, data }; level.side >= 16; level = halveLevel(level)) levels.push(level);
  return { levels };
}

function halveLevel({ side, data }: { side: number; data: Uint8Array }): {
  side: number;
  data: Uint8Array<ArrayBuffer>;
} {
  const half = side / 2;
  const out = new Uint8Array(half * half * 4);
  for (let y = 0, o = 0; y < half; y++) {
    for (let x = 0; x < half; x++) {
      for (let k = 0; k < 4; k++, o++) {
        const i = (y * 2 * side + x * 2) * 4 + k;
        out[o] = (data[i]! + data[i + 4]! + data[i + side * 4]! + data[i + side * 4 + 4]! + 2) >> 2;
      }
    }
  }
  return { side: half, data: out };
}
