/** Noun phrases of groups ("two small red cars") and sentences that remember where each phrase stands. */
import type { Random } from "../../random.js";
import type { Word } from "./objects.js";
import type { SceneGroup } from "./plan.js";

export interface NounPhrase {
  text: string;
  /** Index of the group it names. */
  group: number;
  plural: boolean;
  /** Verb after "there": a pair of dogs "is", two dogs "are". */
  existential: "is" | "are";
}

export interface Sentence {
  text: string;
  /** In the order of the text; [start, end) in characters. */
  phrases: { start: number; end: number; group: number }[];
}

export interface PhraseStyle {
  /** Use a more general word where there is one. */
  general?: boolean;
  /** Probabilities of naming size and colour. */
  size: number;
  color: number;
}

const sizeWords = { small: ["small", "small", "little", "tiny"], normal: [], big: ["big", "large", "large", "huge"] };
const countWords = [
  [],
  ["two", "two", "two", "a couple of", "a pair of"],
  ["three", "three", "three", "several", "a few", "a group of", "a trio of"],
];
/** Colours that a word already tells, and the main colours of icons that agree with it. */
const toldColors: Record<string, string[]> = {
  red: ["red"],
  pink: ["pink"],
  white: ["white", "gray"],
  yellow: ["yellow", "orange"],
  golden: ["yellow", "orange"],
  black: ["black", "gray"],
  brown: ["brown"],
  wooden: ["brown", "orange"],
};

/** A phrase for a group, with articles, numbers and adjectives as English wants them. */
export function nounPhrase(group: SceneGroup, index: number, style: PhraseStyle, random: Random): NounPhrase {
  const { object, color, size, instances } = group;
  const word = chooseWord(group, style.general === true, random);
  const adjectives: string[] = [];
  const tells = /\b(big|small|baby)\b/.test(word[0]);
  if (size !== "normal" && !tells && random.next() < style.size) adjectives.push(random.choice(sizeWords[size]));
  const colorTold = word[0].split(/[ -]/).some((part) => part in toldColors || part === color || part === "colorful");
  if (color !== null && !colorTold && word[0] !== object.hypernyms[0]?.[0] && random.next() < style.color) {
    adjectives.push(color);
  }
  if (instances.length === 1) {
    const named = withAdjectives(word[0], adjectives);
    return { text: `${article(named)} ${named}`, group: index, plural: false, existential: "is" };
  }
  const named = withAdjectives(word[1], adjectives);
  // "A pair of pairs of glasses" and "a group of stacks of books" are no English.
  const counts = (countWords[instances.length - 1] ?? []).filter(
    (count) => !count.endsWith(" of") || !word[1].includes(" of "),
  );
  const count = random.choice(counts);
  const collective = count === "a pair of" || count === "a group of" || count === "a trio of";
  return {
    text: `${count} ${named}`,
    group: index,
    plural: !collective || count === "a pair of",
    existential: collective ? "is" : "are",
  };
}

function chooseWord({ object, color }: SceneGroup, general: boolean, random: Random): Word {
  if (general && object.hypernyms.length > 0) return random.choice(object.hypernyms);
  const own: Word = [object.noun, object.plural];
  const synonyms = object.synonyms.filter(([singular]) =>
    singular.split(" ").every((part) => {
      const agreeing = toldColors[part];
      return agreeing === undefined || (color !== null && agreeing.includes(color));
    }),
  );
  return synonyms.length > 0 && random.next() < 0.4 ? random.choice(synonyms) : own;
}

/** "small red car", but "small pair of blue jeans". */
function withAdjectives(noun: string, adjectives: string[]): string {
  const pair = /^(pairs? of )(.*)$/.exec(noun);
  const color = adjectives.at(-1);
  if (pair !== null && color !== undefined && colorNames.includes(color)) {
    return [...adjectives.slice(0, -1), `${pair[1] ?? ""}${color} ${pair[2] ?? ""}`].join(" ");
  }
  return [...adjectives, noun].join(" ");
}

const colorNames = "red orange yellow green blue purple pink brown gray white black".split(" ");

/** "a" or "an" by how the next word sounds. */
export function article(words: string): "a" | "an" {
  if (/^(uni|ufo|eu|one\b)/i.test(words)) return "a";
  return /^[aeiou]/i.test(words) ? "an" : "a";
}

export type Piece = string | NounPhrase | Piece[];

/** A template tag: joins words and phrases to a sentence with a capital letter and a full stop. */
export function sentence(strings: TemplateStringsArray, ...pieces: Piece[]): Sentence {
  let text = "";
  const phrases: Sentence["phrases"] = [];
  const add = (piece: Piece): void => {
    if (Array.isArray(piece)) piece.forEach(add);
    else if (typeof piece === "string") text += piece;
    else {
      phrases.push({ start: text.length, end: text.length + piece.text.length, group: piece.group });
      text += piece.text;
    }
  };
  strings.forEach((part, i) => {
    text += part;
    const piece = pieces[i];
    if (piece !== undefined) add(piece);
  });
  return { text: `${text.charAt(0).toUpperCase()}${text.slice(1)}.`, phrases };
}

/** "a dog", "a dog and two cats", "a dog, two cats and a bird". */
export function list(phrases: NounPhrase[]): Piece[] {
  return phrases.flatMap((phrase, i) => {
    if (i === 0) return [phrase];
    return [i === phrases.length - 1 ? " and " : ", ", phrase];
  });
}
