/** All golden numbers on native TensorFlow. */
import { refusal } from "../../src/engine/refusals.js";
import { nativeHere } from "../engine/setup.js";
import { goldenSuite } from "./goldenSuite.js";

goldenSuite("native", {
  skip: refusal("native") === undefined ? false : "no native engine for this platform",
  prepare: nativeHere,
});
