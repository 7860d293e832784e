/** The emoji scenes: a data set drawn from openly licensed icons, with captions, boxes and phrases. */
export { openScenes } from "./open.js";
export type { SceneDataset, SceneImageObject, SceneItem } from "./read.js";
export type { SceneOptions } from "./options.js";
export { sceneClasses, sceneObjects, artists, heldOutArtist, type Artist, type SceneObject } from "./objects.js";
export { scenePlaces, type ScenePlace } from "./places.js";
export { defaultCounts, isHeldOutPair, sceneSplits, type SceneSplit } from "./splits.js";
export { describeScene, type SceneRow } from "./scene.js";
export { drawScene } from "./draw.js";
