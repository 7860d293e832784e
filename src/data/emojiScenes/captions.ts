/** Five different captions of a scene: number, colour, size, synonyms, general words, relations, place. */
import type { Random } from "../../random.js";
import { isDoing } from "./doings.js";
import { list, nounPhrase, sentence, type NounPhrase, type PhraseStyle, type Sentence } from "./phrases.js";
import { placeWords } from "./places.js";
import type { SceneGroup, ScenePlan } from "./plan.js";
import { isBetween, relate } from "./relations.js";

export const captionsPerScene = 5;
/** Longer sentences would be cut by the 30 word pieces of the text encoder. */
const mostCharacters = 104;

/** What the templates see: phrases of the chosen groups, in telling order, and words for the place. */
interface Telling {
  groups: SceneGroup[];
  phrases: NounPhrase[];
  /** Whether these are all groups of the scene. */
  complete: boolean;
  random: Random;
  /** "on green grass", true of all told groups. */
  where: string;
  /** True of the first group alone, which sits or flies or swims there. */
  whereFirst: string;
  scenery: string;
}

/** A sentence, or undefined where the template does not fit these groups. */
type Template = (telling: Telling) => Sentence | undefined;

const be = (phrase: NounPhrase): string => (phrase.plural ? "are" : "is");
const pick = (random: Random, ...words: string[]): string => random.choice(words);

const oneGroup: Template[] = [
  ({ phrases: [a], whereFirst }) => a && sentence`${a} ${whereFirst}`,
  ({ phrases: [a], whereFirst }) => a && sentence`there ${a.existential} ${a} ${whereFirst}`,
  ({ phrases: [a], groups: [g], whereFirst, random }) =>
    a && g && sentence`${a} ${isDoing(g, a, random)} ${whereFirst}`,
  ({ phrases: [a], scenery }) => a && sentence`${scenery} with ${a}`,
  ({ phrases: [a], where, random }) => a && sentence`${pick(random, "a picture of", "a drawing of")} ${a} ${where}`,
  ({ phrases: [a], where, complete, random }) =>
    a && complete ? sentence`${pick(random, "just", "only", "nothing but")} ${a} ${where}` : undefined,
];

const twoGroups: Template[] = [
  ({ phrases: [a, b], where }) => a && b && sentence`${a} and ${b} ${where}`,
  ({ phrases: [a, b], whereFirst }) => a && b && sentence`there ${a.existential} ${a} ${whereFirst} with ${b}`,
  ({ phrases: [a, b], scenery }) => a && b && sentence`${scenery} with ${a} and ${b}`,
  ({ phrases: [a, b], groups: [g], whereFirst, random }) =>
    a &&
    b &&
    g &&
    sentence`${a} ${isDoing(g, a, random)} ${whereFirst} with ${b} ${pick(random, "nearby", "close by")}`,
  ({ phrases: [a, b], groups: [g, h], whereFirst, random }) =>
    a && b && g && h && g.zone !== h.zone
      ? sentence`${a} ${isDoing(g, a, random)} ${whereFirst} while ${b} ${isDoing(h, b, random)} ${besides(g, h)}`
      : undefined,
];

const twoRelated: Template[] = [
  related(({ phrases: [a, b] }, relation) => a && b && sentence`${a} ${relation} ${b}`),
  related(({ phrases: [a, b], where }, relation) => a && b && sentence`${a} ${relation} ${b} ${where}`),
  related(({ phrases: [a, b] }, relation) => a && b && sentence`${a} ${be(a)} ${relation} ${b}`),
  related(({ phrases: [a, b], where }, relation) => a && b && sentence`${where}, ${a} ${be(a)} ${relation} ${b}`),
  related(
    ({ phrases: [a, b], groups: [g], random }, relation) =>
      a && b && g && sentence`${a} ${isDoing(g, a, random)} ${relation} ${b}`,
  ),
  related(
    ({ phrases: [a, b], where }, relation) => a && b && sentence`there ${a.existential} ${a} ${relation} ${b} ${where}`,
  ),
];

const threeGroups: Template[] = [
  ({ phrases, where }) => sentence`${list(phrases)} ${where}`,
  ({ phrases, scenery }) => sentence`${scenery} with ${list(phrases)}`,
  ({ phrases: [a, b, c], whereFirst }) =>
    a && b && c && sentence`there ${a.existential} ${a} ${whereFirst} with ${b} and ${c}`,
  related(
    ({ phrases: [a, b, c], random }, relation) =>
      a && b && c && sentence`${a} ${relation} ${b}, with ${c} ${pick(random, "nearby", "in the scene", "too")}`,
  ),
  related(
    ({ phrases: [a, b, c], where }, relation) =>
      a && b && c && sentence`${where}, ${a} ${be(a)} ${relation} ${b} and there ${c.existential} ${c} as well`,
  ),
  ({ phrases: [a, b, c], groups: [g, h, i] }) =>
    a && b && c && g && h && i && isBetween(g, h, i) ? sentence`${a} ${be(a)} between ${b} and ${c}` : undefined,
  ({ phrases: [a, b, c], groups: [g, h, i], where }) =>
    a && b && c && g && h && i && isBetween(g, h, i) ? sentence`${a} between ${b} and ${c} ${where}` : undefined,
];

/** A template that needs a true relation of the first told group to the second. */
function related(template: (telling: Telling, relation: string) => Sentence | undefined): Template {
  return (telling) => {
    const [a, b] = telling.groups;
    const relation = a && b && relate(a, b, telling.random);
    return relation === undefined ? undefined : template(telling, relation);
  };
}

/** Where the second of two groups in different zones is, seen from the first. */
function besides(first: SceneGroup, second: SceneGroup): string {
  return second.zone === "air" ? "above" : first.zone === "air" ? "below" : "nearby";
}

/** How many groups each of the five captions tells about, by the number of groups; drawn in this order, then shuffled. */
const tellings: number[][] = [[], [1, 1, 1, 1, 1], [2, 2, 2, 2, 1], [3, 3, 2, 2, 2]];

/** Five captions with different texts; each phrase knows its group. */
export function captionScene(plan: ScenePlan, random: Random): Sentence[] {
  const captions: Sentence[] = [];
  const seen = new Set<string>();
  const plain: PhraseStyle = { size: 0.65, color: 0.4 };
  // One caption a scene may use general words; with one thing alone they would tell too little.
  const generalAt = plan.groups.length > 1 && random.next() < 0.6 ? 1 + random.int(captionsPerScene - 1) : -1;
  for (let attempt = 0; captions.length < captionsPerScene; attempt++) {
    if (attempt > 300) throw new Error(`no five captions for scene ${plan.split}/${String(plan.index)}`);
    const told = tellings[plan.groups.length]?.[captions.length] ?? 1;
    const general = captions.length === generalAt && attempt < 100;
    // A lone thing with few words needs its size and colour to be told in five ways.
    const style = attempt < 100 ? plain : { size: 0.9, color: 0.9 };
    const caption = tell(plan, told, general, style, random);
    if (caption === undefined || caption.text.length > mostCharacters || seen.has(caption.text)) continue;
    seen.add(caption.text);
    captions.push(caption);
  }
  return random.shuffle(captions);
}

function tell(plan: ScenePlan, told: number, general: boolean, style: PhraseStyle, random: Random) {
  const order = random.shuffle(plan.groups.map((_, index) => index)).slice(0, told);
  const groups = order.map((index) => plan.groups[index]).filter((group) => group !== undefined);
  const generalised = general ? random.int(told) : -1;
  const phrases = groups.map((group, i) =>
    nounPhrase(group, order[i] ?? 0, { ...style, general: i === generalised }, random),
  );
  const words = placeWords[plan.place];
  const zone = groups.every((group) => group.zone === groups[0]?.zone) ? groups[0]?.zone : undefined;
  const template = random.choice(templatesFor(told, random));
  return template({
    groups,
    phrases,
    complete: told === plan.groups.length,
    random,
    where: random.choice(zone === undefined || random.next() < 0.4 ? words.any : words[zone]),
    whereFirst: random.choice(random.next() < 0.3 ? words.any : words[groups[0]?.zone ?? "ground"]),
    scenery: random.choice(words.scenery),
  });
}

function templatesFor(told: number, random: Random): Template[] {
  if (told === 1) return oneGroup;
  if (told === 3) return threeGroups;
  return random.next() < 0.6 ? twoRelated : twoGroups;
}
