/** Plans a scene: its place, its one to three groups of things, who draws them and in which size. */
import type { Random } from "../../random.js";
import { layOut, type Instance } from "./layout.js";
import { artists, heldOutArtist, sceneObjects, zonesOf, type Artist, type SceneObject, type Zone } from "./objects.js";
import { horizons, scenePlaces, type ScenePlace } from "./places.js";
import { isHeldOutPair, type SceneSplit } from "./splits.js";

export type SizeWord = "small" | "normal" | "big";

/** One to three things of one class, drawn by one artist. */
export interface SceneGroup {
  object: SceneObject;
  artist: Artist;
  color: string | null;
  zone: Zone;
  size: SizeWord;
  instances: Instance[];
}

export interface ScenePlan {
  split: SceneSplit;
  index: number;
  place: ScenePlace;
  /** Where the ground begins, as a part of the height. */
  horizon: number;
  /** Seed of the background's details. */
  texture: number;
  groups: SceneGroup[];
}

/** A class with the zone where it will be. */
interface Choice {
  object: SceneObject;
  zone: Zone;
}

/** Most instances in a scene: more would be too small to recognise at 64 pixels. */
const mostInstances = 6;

/** A scene before its captions; uses only `random`, so scene i is the same whatever was made before it. */
export function planScene(split: SceneSplit, index: number, random: Random): ScenePlan {
  for (;;) {
    const place = random.choice(scenePlaces);
    const [low, high] = horizons[place];
    const horizon = random.uniform(low, high);
    const texture = random.int(0x100000000);
    const choices = chooseObjects(split, place, random);
    if (choices === undefined) continue;
    const groups = chooseGroups(split, choices, random);
    if (layOut(groups, place, horizon, random)) return { split, index, place, horizon, texture, groups };
  }
}

function chooseObjects(split: SceneSplit, place: ScenePlace, random: Random): Choice[] | undefined {
  const available = candidates(split, place);
  const number = split === "test-pairs" ? weighted([0, 0.55, 0.45], random) : weighted([0.2, 0.45, 0.35], random);
  const chosen: SceneObject[] = [];
  for (let group = 0; group <= number; group++) {
    const fitting = available.filter((object) => {
      if (chosen.includes(object)) return false;
      if (split !== "test-pairs") return chosen.every((other) => !isHeldOutPair(other.noun, object.noun));
      return group !== 1 || chosen.every((other) => isHeldOutPair(other.noun, object.noun));
    });
    // A place with few classes (the sea) may have no held-out partner for the first one.
    if (fitting.length === 0) return undefined;
    chosen.push(random.choice(fitting));
  }
  random.shuffle(chosen);
  return chosen.map((object) => ({ object, zone: random.choice(zonesOf(object, place)) }));
}

const candidateLists = new Map<string, SceneObject[]>();

function candidates(split: SceneSplit, place: ScenePlace): SceneObject[] {
  const style = split === "test-style";
  const key = `${place}/${String(style)}`;
  let list = candidateLists.get(key);
  if (list === undefined) {
    list = sceneObjects.filter(
      (object) =>
        zonesOf(object, place).length > 0 &&
        artists.some((artist) => object.artists[artist] !== undefined && (artist === heldOutArtist) === style),
    );
    candidateLists.set(key, list);
  }
  return list;
}

function chooseGroups(split: SceneSplit, choices: Choice[], random: Random): SceneGroup[] {
  let left = mostInstances - choices.length;
  return choices.map(({ object, zone }) => {
    const drawnBy = artists.filter(
      (artist) => object.artists[artist] !== undefined && (artist === heldOutArtist) === (split === "test-style"),
    );
    const artist = random.choice(drawnBy);
    // One sun, one rainbow: several of them would look odd.
    const single = object.category === "sky" && ["sun", "rainbow", "crescent moon"].includes(object.noun);
    const extra = single ? 0 : Math.min(left, weighted([0.58, 0.24, 0.18], random));
    left -= extra;
    const size = (["small", "normal", "big"] as const)[weighted([0.18, 0.62, 0.2], random)] ?? "normal";
    const instances = Array.from({ length: 1 + extra }, () => ({
      box: { x: 0, y: 0, width: 0, height: 0 },
      flip: random.next() < 0.5,
    }));
    return { object, artist, color: object.artists[artist]?.color ?? null, zone, size, instances };
  });
}

/** An index drawn with the given probabilities (their sum is 1). */
function weighted(probabilities: number[], random: Random): number {
  let rest = random.next();
  for (let i = 0; i < probabilities.length; i++) {
    rest -= probabilities[i]!;
    if (rest < 0) return i;
  }
  return probabilities.length - 1;
}
