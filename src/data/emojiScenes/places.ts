/** The nine backgrounds: where their ground begins, and the words that name them. */

export type ScenePlace = "meadow" | "beach" | "sea" | "room" | "table" | "street" | "snow" | "night" | "desert";

/** The backgrounds. */
export const scenePlaces: ScenePlace[] = [
  "meadow",
  "beach",
  "sea",
  "room",
  "table",
  "street",
  "snow",
  "night",
  "desert",
];

export interface PlaceWords {
  /** True of things that stand on the ground: "on green grass". */
  ground: string[];
  /** True of everything that is there. */
  any: string[];
  /** Things in the air: "above a meadow". */
  air: string[];
  /** Things in the water. */
  water: string[];
  /** The place as a noun phrase: "a grassy field". */
  scenery: string[];
}

/** Lowest and highest line where the ground (or water) meets what is behind it, as a part of the height. */
export const horizons: Record<ScenePlace, [number, number]> = {
  meadow: [0.4, 0.55],
  beach: [0.52, 0.6],
  sea: [0.36, 0.5],
  room: [0.5, 0.6],
  table: [0.36, 0.48],
  street: [0.48, 0.56],
  snow: [0.45, 0.56],
  night: [0.45, 0.56],
  desert: [0.42, 0.54],
};

export const placeWords: Record<ScenePlace, PlaceWords> = {
  meadow: {
    ground: ["on green grass", "on the grass", "on a grassy lawn", "in a grassy field", "in a meadow", "in the grass"],
    any: ["in a meadow", "in a green field", "on a fine day", "in the countryside"],
    air: ["above a meadow", "over green grass", "in the air over a field", "in the blue sky"],
    water: [],
    scenery: ["a grassy field", "a green meadow", "a lawn", "a field of grass"],
  },
  beach: {
    ground: ["on the beach", "on a sandy beach", "on the sand", "on the seashore", "at the beach"],
    any: ["at the beach", "by the sea", "at the seaside"],
    air: ["above the beach", "over a sandy beach", "in the sky by the sea", "in the air over the sand"],
    water: [],
    scenery: ["a sandy beach", "a beach", "the seashore", "a beach by the sea"],
  },
  sea: {
    ground: [],
    any: ["at sea", "out at sea", "on the open sea"],
    air: ["above the sea", "over the water", "over the ocean", "in the sky above the waves"],
    water: ["in the ocean", "in blue water", "in the sea", "in the water", "among the waves"],
    scenery: ["the open sea", "the blue ocean", "a wide sea", "blue water"],
  },
  room: {
    ground: ["on the floor", "on a wooden floor", "in a room", "on the floor of a room"],
    any: ["in a room", "indoors", "inside a house"],
    air: ["in the air in a room", "above a wooden floor", "indoors", "inside a room"],
    water: [],
    scenery: ["a room", "the floor of a room", "the inside of a house", "a living room"],
  },
  table: {
    ground: ["on a table", "on a wooden table", "on a tabletop", "on the table", "on top of a table"],
    any: ["on a table", "on a wooden table", "on a tabletop"],
    air: [],
    water: [],
    scenery: ["a table", "a wooden table", "a tabletop", "the top of a table"],
  },
  street: {
    ground: ["on the road", "on the street", "on a city street", "on the pavement"],
    any: ["in the city", "in town", "in front of city buildings", "downtown"],
    air: ["above the street", "over the city", "in the air above the road", "in the sky over town"],
    water: [],
    scenery: ["a city street", "a road in the city", "a street between tall buildings", "the road"],
  },
  snow: {
    ground: ["in the snow", "on snowy ground", "in a snowy field", "on white snow"],
    any: ["on a snowy day", "in winter", "in a snowy landscape", "on a cold winter day"],
    air: ["above the snow", "over a snowy field", "in the winter sky", "in the air over white snow"],
    water: [],
    scenery: ["a snowy field", "a winter landscape", "snowy ground", "a field of snow"],
  },
  night: {
    ground: ["under a dark sky", "on a dark field", "under the night sky", "in a field at night"],
    any: ["at night", "under the night sky", "on a starry night", "in the dark", "under the stars"],
    air: ["in the night sky", "in the dark sky", "up in the starry sky"],
    water: [],
    scenery: ["a starry night", "a dark field", "a field at night", "a night sky"],
  },
  desert: {
    ground: ["on the desert sand", "on a sand dune", "among the dunes", "in the desert", "on hot sand"],
    any: ["in the desert", "in a dry desert", "in a sandy desert"],
    air: ["above the desert", "over the dunes", "in the air over a sand dune", "in the desert sky"],
    water: [],
    scenery: ["a desert", "a dry desert", "a sandy desert", "the sand dunes"],
  },
};
