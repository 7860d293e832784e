/** What things do: "is parked", "are swimming", "sits". */
import type { Random } from "../../random.js";
import type { NounPhrase } from "./phrases.js";
import type { SceneGroup } from "./plan.js";

/**
 * Participles by category on the ground; `large` for plants and objects that stand by themselves, `other` for the rest.
 * Not "left": "is left in front of" would read as a side.
 */
const onGround: Record<string, string[]> = {
  animal: ["standing", "resting", "waiting", "sitting"],
  bird: ["standing", "resting", "waiting"],
  "sea animal": ["resting", "lying"],
  insect: ["crawling", "resting"],
  vehicle: ["parked", "stopped", "standing"],
  building: ["standing", "located"],
  furniture: ["standing", "placed"],
  plant: ["placed"],
  food: ["lying", "placed"],
  clothing: ["lying", "placed"],
  instrument: ["lying", "placed"],
  toy: ["lying", "placed"],
  other: ["placed", "sitting"],
  large: ["standing", "placed"],
};
const inAir: Record<string, string[]> = {
  bird: ["flying", "gliding"],
  animal: ["flying"],
  insect: ["flying", "hovering"],
  vehicle: ["flying"],
  toy: ["flying"],
  other: ["floating", "hanging"],
};
const inWater: Record<string, string[]> = {
  vehicle: ["floating", "sailing"],
  bird: ["swimming", "floating"],
  "sea animal": ["swimming"],
  other: ["swimming"],
};

/** "is parked" or "are parked", sometimes with a finite verb: "sits", "stand". */
export function isDoing(group: SceneGroup, phrase: NounPhrase, random: Random): string {
  const { category, size } = group.object;
  const kind = size >= 3 && (category === "object" || category === "plant") ? "large" : category;
  const table = group.zone === "ground" ? onGround : group.zone === "air" ? inAir : inWater;
  const participle = random.choice(table[kind] ?? table["other"] ?? ["placed"]);
  if (["standing", "sitting", "lying", "flying", "floating", "swimming"].includes(participle) && random.next() < 0.4) {
    return finite(participle, phrase.plural);
  }
  return `${phrase.plural ? "are" : "is"} ${participle}`;
}

const finiteForms: Record<string, [string, string]> = {
  standing: ["stands", "stand"],
  sitting: ["sits", "sit"],
  lying: ["lies", "lie"],
  flying: ["flies", "fly"],
  floating: ["floats", "float"],
  swimming: ["swims", "swim"],
};

function finite(participle: string, plural: boolean): string {
  return finiteForms[participle]?.[plural ? 1 : 0] ?? participle;
}
